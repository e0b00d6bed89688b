// NVTX's functions, as it calls them in every binary that uses it.
#include <string_view>

#include "profiler/capture/injection_hook.h"
#include "profiler/capture/nvtx_names.h"
#include "profiler/capture/nvtx_recorder.h"

namespace rooftop::capture {
namespace {

// The first payload with one of our schemas, or null.
const nvtxPayloadData_t* find_payload(const nvtxEventAttributes_t& attributes) noexcept {
  if (attributes.payloadType != NVTX_PAYLOAD_TYPE_EXT) return nullptr;
  const auto* data = reinterpret_cast<const nvtxPayloadData_t*>(attributes.payload.ullValue);
  if (data == nullptr) return nullptr;
  for (int i = 0; i < attributes.reserved0; ++i) {
    if (data[i].payload == nullptr) continue;
    if (data[i].schemaId >= nvtx::kStepSchema && data[i].schemaId <= nvtx::kModelSchema)
      return &data[i];
  }
  return nullptr;
}

NvtxMessage ascii(const char* text) noexcept {
  NvtxMessage message{.type = NVTX_MESSAGE_TYPE_ASCII, .value = {}};
  message.value.ascii = text;
  return message;
}

NvtxMessage wide(const wchar_t* text) noexcept {
  NvtxMessage message{.type = NVTX_MESSAGE_TYPE_UNICODE, .value = {}};
  message.value.unicode = text;
  return message;
}

nvtxDomainHandle_t known(nvtxDomainHandle_t domain) noexcept {
  return domain == nullptr ? default_domain() : domain;
}

RangeStart range_of(nvtxDomainHandle_t domain, const nvtxEventAttributes_t* attributes) noexcept {
  RangeStart range{.domain = known(domain), .message = {}, .payload = nullptr};
  if (attributes == nullptr) return range;
  range.message.type = static_cast<nvtxMessageType_t>(attributes->messageType);
  range.message.value = attributes->message;
  if (range.domain == our_domain()) range.payload = find_payload(*attributes);
  return range;
}

RangeStart plain(const NvtxMessage& message) noexcept {
  return {.domain = default_domain(), .message = message, .payload = nullptr};
}

int NVTX_API domain_push(nvtxDomainHandle_t domain, const nvtxEventAttributes_t* attributes) {
  return open_range(range_of(domain, attributes));
}
int NVTX_API domain_pop(nvtxDomainHandle_t domain) { return close_range(known(domain)); }
void NVTX_API domain_mark(nvtxDomainHandle_t domain, const nvtxEventAttributes_t* attributes) {
  mark(range_of(domain, attributes));
}
nvtxRangeId_t NVTX_API domain_start(nvtxDomainHandle_t /*domain*/,
                                    const nvtxEventAttributes_t* /*attributes*/) {
  skip_range();
  return 0;
}

int NVTX_API push_ex(const nvtxEventAttributes_t* attributes) {
  return open_range(range_of(nullptr, attributes));
}
int NVTX_API push_ascii(const char* text) { return open_range(plain(ascii(text))); }
int NVTX_API push_wide(const wchar_t* text) { return open_range(plain(wide(text))); }
int NVTX_API pop() { return close_range(default_domain()); }

nvtxRangeId_t NVTX_API start_ex(const nvtxEventAttributes_t* /*attributes*/) {
  skip_range();
  return 0;
}
nvtxRangeId_t NVTX_API start_ascii(const char* /*text*/) {
  skip_range();
  return 0;
}
nvtxRangeId_t NVTX_API start_wide(const wchar_t* /*text*/) {
  skip_range();
  return 0;
}

nvtxDomainHandle_t NVTX_API create_domain(const char* name) {
  return domain_named(name == nullptr ? std::string_view() : name);
}
nvtxDomainHandle_t NVTX_API create_domain_wide(const wchar_t* name) {
  char bytes[kMaxScopeName];
  return domain_named({bytes, copy_text(wide(name), bytes, sizeof bytes)});
}

nvtxStringHandle_t NVTX_API register_ascii(nvtxDomainHandle_t /*domain*/, const char* text) {
  return register_text(ascii(text));
}
nvtxStringHandle_t NVTX_API register_wide(nvtxDomainHandle_t /*domain*/, const wchar_t* text) {
  return register_text(wide(text));
}

// One module's functions, as far as the binary's version of NVTX has them.
class Module {
 public:
  Module(const NvtxExportTableCallbacks& callbacks, NvtxCallbackModule module) noexcept {
    if (callbacks.GetModuleFunctionTable(module, &table_, &size_) == 0) table_ = nullptr;
  }
  [[nodiscard]] bool found() const noexcept { return table_ != nullptr; }
  template <typename Function>
  void set(unsigned int id, Function function) const noexcept {
    if (table_ != nullptr && id < size_ && table_[id] != nullptr)
      *table_[id] = reinterpret_cast<NvtxFunctionPointer>(function);
  }

 private:
  NvtxFunctionTable table_ = nullptr;
  unsigned int size_ = 0;
};

}  // namespace

int initialize_injection(InjectionExportTable get_export_table) noexcept {
  if (get_export_table == nullptr) return 0;
  const auto* callbacks =
      static_cast<const NvtxExportTableCallbacks*>(get_export_table(NVTX_ETID_CALLBACKS));
  if (callbacks == nullptr || callbacks->GetModuleFunctionTable == nullptr) return 0;
  const Module domains(*callbacks, NVTX_CB_MODULE_CORE2);
  if (!domains.found()) return 0;
  domains.set(NVTX_CBID_CORE2_DomainCreateA, create_domain);
  domains.set(NVTX_CBID_CORE2_DomainCreateW, create_domain_wide);
  domains.set(NVTX_CBID_CORE2_DomainRegisterStringA, register_ascii);
  domains.set(NVTX_CBID_CORE2_DomainRegisterStringW, register_wide);
  domains.set(NVTX_CBID_CORE2_DomainMarkEx, domain_mark);
  domains.set(NVTX_CBID_CORE2_DomainRangePushEx, domain_push);
  domains.set(NVTX_CBID_CORE2_DomainRangePop, domain_pop);
  domains.set(NVTX_CBID_CORE2_DomainRangeStartEx, domain_start);
  const Module core(*callbacks, NVTX_CB_MODULE_CORE);
  core.set(NVTX_CBID_CORE_RangePushEx, push_ex);
  core.set(NVTX_CBID_CORE_RangePushA, push_ascii);
  core.set(NVTX_CBID_CORE_RangePushW, push_wide);
  core.set(NVTX_CBID_CORE_RangePop, pop);
  core.set(NVTX_CBID_CORE_RangeStartEx, start_ex);
  core.set(NVTX_CBID_CORE_RangeStartA, start_ascii);
  core.set(NVTX_CBID_CORE_RangeStartW, start_wide);
  set_reached();
  return 1;
}

}  // namespace rooftop::capture
