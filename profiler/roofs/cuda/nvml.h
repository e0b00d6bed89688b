// The little of NVML that is needed: clocks, temperature and the driver's version, read and never
// set. The library comes with the driver and is loaded at run time; without it everything is
// unknown.
#pragma once

#include <string>

namespace rooftop::cuda {

class Nvml {
 public:
  Nvml();
  ~Nvml();
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  struct State {
    double sm_hz = 0;  // 0: unknown, as the others
    double memory_hz = 0;
    double temperature_c = 0;
  };
  // Now, of the device at a PCI address as CUDA prints it ("00000000:3B:00.0").
  [[nodiscard]] State state(const std::string& pci_bus_id) const;
  // "580.65.06"; empty where unknown.
  [[nodiscard]] std::string driver_version() const;

 private:
  void* library_ = nullptr;
  bool ready_ = false;
};

// The PCI address that NVML knows a device by. Throws CudaError.
struct PciAddress {
  char text[32] = {};
};
PciAddress pci_address(int device);

}  // namespace rooftop::cuda
