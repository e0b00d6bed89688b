/* What the command and its CUDA module, rooftop_cuda.so, know of each other: a C interface without
   CUDA types, so that one binary starts anywhere and loads CUDA only where it is wanted.

   Functions return 0, or another value after writing one sentence into `error`. They may be called
   from one thread at a time. No exception leaves the module. */
#ifndef ROOFTOP_ROOFS_CUDA_CUDA_MODULE_H_
#define ROOFTOP_ROOFS_CUDA_CUDA_MODULE_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised with every change of what stands here. */
#define ROOFTOP_CUDA_MODULE_ABI 2u
#define ROOFTOP_CUDA_MODULE_ENTRY "rooftop_cuda_module"

typedef struct RooftopCudaDevice {
  char name[256];  /* as the driver prints it */
  char driver[96]; /* "580.65.06, CUDA 13.0" */
  uint64_t memory_bytes;
  uint64_t l2_bytes;
  uint32_t multiprocessors;
  uint32_t compute_major;
  uint32_t compute_minor;
  double clock_hz;        /* of the SMs, now; 0: unknown */
  double memory_clock_hz; /* now; 0: unknown */
} RooftopCudaDevice;

typedef struct RooftopCudaRoof {
  char kind[32];  /* as in MeasuredRoof::kind: "dram_read", "l2_write", "compute" */
  char dtype[16]; /* of "compute": "bf16", "f16", "tf32", "f32", "fp8", "int8"; else empty */
  char method[160];
  double value;         /* byte/s; "compute": FLOP/s */
  double clock_hz;      /* of the SMs, while the measurement ran; 0: unknown */
  double temperature_c; /* likewise */
} RooftopCudaRoof;

/* Called before each measurement: what, and the share of the time that is over. */
typedef void (*RooftopCudaProgress)(const char* what, double done, void* user);

typedef struct RooftopCudaModule {
  uint32_t abi; /* ROOFTOP_CUDA_MODULE_ABI: looked at before anything else */

  /* How many devices can be used: at least 1, or an error that says what is missing. */
  int (*device_count)(uint32_t* count, char* error, size_t error_size);

  int (*describe_device)(uint32_t ordinal, RooftopCudaDevice* device, char* error,
                         size_t error_size);

  /* Bandwidths of DRAM and L2, and matrix products of each type through cuBLASLt (none where that
     is not installed), within about `seconds`. Writes at most `capacity` roofs, and how many into
     `count`; 16 are enough. Changes no setting of the device. */
  int (*measure_roofs)(uint32_t ordinal, double seconds, RooftopCudaProgress progress, void* user,
                       RooftopCudaRoof* roofs, size_t capacity, size_t* count, char* error,
                       size_t error_size);
} RooftopCudaModule;

/* The module's one exported symbol, ROOFTOP_CUDA_MODULE_ENTRY. Never null, valid for good. */
typedef const RooftopCudaModule* (*RooftopCudaModuleEntry)(void);

#ifdef __cplusplus
}
#endif

#endif /* ROOFTOP_ROOFS_CUDA_CUDA_MODULE_H_ */
