// How an engine tells Rooftop what it is doing: NVTX ranges in the domain "rooftop" with typed
// payloads.
//
// clang-format off
//   rooftop::nvtx::describe_model(...);                       // once: dimensions, so that closed forms are exact
//   rooftop::nvtx::Step step({.phase = rooftop::nvtx::kAr});  // one forward pass
//   rooftop::nvtx::Op op(rooftop::nvtx::kQkv, layer, "qkv");  // one operator within it
// clang-format on
//
// Header-only; needs nothing but NVTX's own headers (version 3.2 or newer, with the payload
// extension). With no tool attached a range costs about 2 ns, so engines keep it in production.
// Ranges are closed on the thread that opened them. Any NVTX tool can read them: payload schemas
// are registered with the domain.
#ifndef ROOFTOP_NVTX_H
#define ROOFTOP_NVTX_H

#include <nvtx3/nvToolsExt.h>
#include <nvtx3/nvToolsExtPayload.h>

#include <cstddef>
#include <cstdint>

namespace rooftop::nvtx {

inline constexpr char kDomainName[] = "rooftop";

// Phases and operators, with the same values as in trace files (rooftop::Phase, rooftop::Operator).
enum Phase : std::uint32_t { kInit = 1, kAr = 2, kMixed = 3 };
enum Operator : std::uint32_t {
  kQkv = 1,
  kQ = 2,
  kK = 3,
  kV = 4,
  kGateUp = 6,
  kGateUpAct = 7,
  kGate = 8,
  kUp = 9,
  kDown = 10,
  kQkPv = 11,
  kQk = 12,
  kPv = 13,
  kOProj = 14,
  kLmHead = 15,
  kEmbed = 16,
  kNorm = 17,
  kRope = 18,
  kActivation = 19,
  kResidual = 20,
  kKvWrite = 21,
  kSampling = 22,
  kSoftmax = 23,
  kComm = 24,
  kMemcpy = 25,
  kOther = 26,
};

enum StepFlags : std::uint32_t { kWarmup = 1 };  // recorded, but left out of every average

// Payloads: fixed layouts, little-endian, naturally aligned. New fields are only added at the end.

// One forward pass. Sequences of different lengths are described exactly by the four sums; leave
// them 0 where all sequences are alike, and they follow from batch, query_tokens and length.
struct StepPayload {
  std::uint32_t phase = 0;         // Phase
  std::uint32_t flags = 0;         // StepFlags
  std::uint32_t batch = 1;         // sequences
  std::uint32_t query_tokens = 1;  // new tokens per sequence (rounded mean where they differ)
  std::uint32_t length = 1;        // keys seen per sequence, the new tokens included (rounded mean)
  std::uint32_t logit_rows = 0;    // rows that the language-model head computes; 0: one a sequence
  std::uint64_t total_query_tokens = 0;  // sum of s_q
  std::uint64_t total_keys = 0;          // sum of L
  std::uint64_t attention_pairs = 0;     // sum of s_q * L
  std::uint64_t causal_pairs = 0;        // sum of s_q * L - s_q * (s_q - 1) / 2
};

// One operator. `fused_mask`: bit i set means that the same kernel also does Operator i.
struct OpPayload {
  std::uint32_t op = 0;     // Operator
  std::int32_t layer = -1;  // -1: outside the layers
  std::uint64_t fused_mask = 0;
};

// Dimensions and types of the model that the following steps run.
struct ModelPayload {
  std::uint32_t hidden = 0;
  std::uint32_t layers = 0;      // of the whole model
  std::uint32_t layers_run = 0;  // of these, how many are run
  std::uint32_t heads = 0;
  std::uint32_t kv_heads = 0;
  std::uint32_t head_dim = 0;
  std::uint32_t ffn = 0;
  std::uint32_t vocab = 0;
  std::uint32_t tied_embeddings = 0;  // 0 or 1
  std::uint32_t max_positions = 0;
  std::uint32_t flash = 0;        // 1: fused attention; 0: QK, softmax and PV apart
  std::uint32_t causal_skip = 0;  // 1: attention kernels skip masked pairs
  double weight_bytes = 0;        // bytes per element of weights, activations and KV cache
  double activation_bytes = 0;
  double kv_bytes = 0;
};

// Static schema ids, so that a tool knows a payload without having seen its registration.
inline constexpr std::uint64_t kStepSchema = NVTX_PAYLOAD_SCHEMA_ID_STATIC_START + 0x524F01;
inline constexpr std::uint64_t kOpSchema = NVTX_PAYLOAD_SCHEMA_ID_STATIC_START + 0x524F02;
inline constexpr std::uint64_t kModelSchema = NVTX_PAYLOAD_SCHEMA_ID_STATIC_START + 0x524F03;

// The domain, created with its schemas on first use.
nvtxDomainHandle_t domain();

namespace detail {

struct Event {
  nvtxEventAttributes_t attributes{};
  nvtxPayloadData_t data{};
  Event(const char* message, std::uint64_t schema, const void* payload, std::size_t size) {
    data.schemaId = schema;
    data.size = size;
    data.payload = payload;
    attributes.version = NVTX_VERSION;
    attributes.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
    attributes.messageType = NVTX_MESSAGE_TYPE_ASCII;
    attributes.message.ascii = message;
    attributes.payloadType = NVTX_PAYLOAD_TYPE_EXT;
    attributes.reserved0 = 1;  // one payload, as NVTX_PAYLOAD_EVTATTR_SET_MULTIPLE does
    attributes.payload.ullValue = reinterpret_cast<std::uintptr_t>(&data);
  }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
};

inline nvtxPayloadSchemaEntry_t field(std::uint64_t type, const char* name) {
  nvtxPayloadSchemaEntry_t entry{};
  entry.type = type;
  entry.name = name;
  return entry;
}

inline void register_schema(nvtxDomainHandle_t domain, const char* name, std::uint64_t id,
                            const nvtxPayloadSchemaEntry_t* entries, std::size_t count,
                            std::size_t size) {
  nvtxPayloadSchemaAttr_t schema{};
  schema.fieldMask =
      NVTX_PAYLOAD_SCHEMA_ATTR_FIELD_NAME | NVTX_PAYLOAD_SCHEMA_ATTR_FIELD_TYPE |
      NVTX_PAYLOAD_SCHEMA_ATTR_FIELD_ENTRIES | NVTX_PAYLOAD_SCHEMA_ATTR_FIELD_NUM_ENTRIES |
      NVTX_PAYLOAD_SCHEMA_ATTR_FIELD_STATIC_SIZE | NVTX_PAYLOAD_SCHEMA_ATTR_FIELD_SCHEMA_ID;
  schema.name = name;
  schema.type = NVTX_PAYLOAD_SCHEMA_TYPE_STATIC;
  schema.entries = entries;
  schema.numEntries = count;
  schema.payloadStaticSize = size;
  schema.schemaId = id;
  nvtxPayloadSchemaRegister(domain, &schema);
}

inline nvtxDomainHandle_t create_domain() {
  const nvtxDomainHandle_t handle = nvtxDomainCreateA(kDomainName);
  if (handle == nullptr) return nullptr;
  constexpr auto u32 = NVTX_PAYLOAD_ENTRY_TYPE_UINT32;
  constexpr auto i32 = NVTX_PAYLOAD_ENTRY_TYPE_INT32;
  constexpr auto u64 = NVTX_PAYLOAD_ENTRY_TYPE_UINT64;
  constexpr auto f64 = NVTX_PAYLOAD_ENTRY_TYPE_DOUBLE;
  const nvtxPayloadSchemaEntry_t step[] = {field(u32, "phase"),
                                           field(u32, "flags"),
                                           field(u32, "batch"),
                                           field(u32, "query_tokens"),
                                           field(u32, "length"),
                                           field(u32, "logit_rows"),
                                           field(u64, "total_query_tokens"),
                                           field(u64, "total_keys"),
                                           field(u64, "attention_pairs"),
                                           field(u64, "causal_pairs")};
  const nvtxPayloadSchemaEntry_t op[] = {field(u32, "op"), field(i32, "layer"),
                                         field(u64, "fused_mask")};
  const nvtxPayloadSchemaEntry_t model[] = {field(u32, "hidden"),
                                            field(u32, "layers"),
                                            field(u32, "layers_run"),
                                            field(u32, "heads"),
                                            field(u32, "kv_heads"),
                                            field(u32, "head_dim"),
                                            field(u32, "ffn"),
                                            field(u32, "vocab"),
                                            field(u32, "tied_embeddings"),
                                            field(u32, "max_positions"),
                                            field(u32, "flash"),
                                            field(u32, "causal_skip"),
                                            field(f64, "weight_bytes"),
                                            field(f64, "activation_bytes"),
                                            field(f64, "kv_bytes")};
  register_schema(handle, "step", kStepSchema, step, sizeof step / sizeof *step,
                  sizeof(StepPayload));
  register_schema(handle, "op", kOpSchema, op, sizeof op / sizeof *op, sizeof(OpPayload));
  register_schema(handle, "model", kModelSchema, model, sizeof model / sizeof *model,
                  sizeof(ModelPayload));
  return handle;
}

}  // namespace detail

inline nvtxDomainHandle_t domain() {
  static const nvtxDomainHandle_t handle = detail::create_domain();
  return handle;
}

// One forward pass, from construction to destruction.
class Step {
 public:
  explicit Step(const StepPayload& payload, const char* name = "step") {
    const detail::Event event(name, kStepSchema, &payload, sizeof payload);
    nvtxDomainRangePushEx(domain(), &event.attributes);
  }
  ~Step() { nvtxDomainRangePop(domain()); }
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;
};

// One operator of a step, from construction to destruction.
class Op {
 public:
  Op(Operator op, std::int32_t layer, const char* name, std::uint64_t fused_mask = 0) {
    const OpPayload payload{op, layer, fused_mask};
    const detail::Event event(name, kOpSchema, &payload, sizeof payload);
    nvtxDomainRangePushEx(domain(), &event.attributes);
  }
  ~Op() { nvtxDomainRangePop(domain()); }
  Op(const Op&) = delete;
  Op& operator=(const Op&) = delete;
};

// Says which model the following steps run. `name` as it should stand in reports ("llama-7b").
inline void describe_model(const ModelPayload& payload, const char* name) {
  const detail::Event event(name, kModelSchema, &payload, sizeof payload);
  nvtxDomainMarkEx(domain(), &event.attributes);
}

}  // namespace rooftop::nvtx

#endif  // ROOFTOP_NVTX_H
