#include "inference/files/model_files.h"

#include <fmt/format.h>

#include "inference/files/gguf_model.h"
#include "inference/files/hf_config.h"
#include "inference/files/hf_model.h"
#include "inference/files/paths.h"
#include "profiler/core/error.h"

namespace rooftop::inference {
namespace {

void check_exists(const std::string& path) {
  if (exists(path)) return;
  throw InputError(fmt::format(
      "{} does not exist: give a GGUF file, or a folder with config.json and safetensors.", path));
}

}  // namespace

std::unique_ptr<WeightSource> open_model(const std::string& path) {
  check_exists(path);
  if (is_folder(path)) return open_hf_model(path);
  return open_gguf_model(path);
}

Config read_config(const std::string& path) {
  check_exists(path);
  if (is_folder(path)) return read_hf_config(path);
  const MappedFile mapped(path);
  return gguf_config(GgufFile(mapped.bytes(), path), name_of_path(path));
}

}  // namespace rooftop::inference
