#include "inference/cuda/products.h"

namespace rooftop::inference::cuda {

Gemv Products::gemv(const void* w, std::int64_t n, std::int64_t k, const void* x, Epilogue epilogue,
                    void* y) const {
  Gemv call;
  call.dtype = dtype_;
  call.rows = rows_;
  call.n = static_cast<std::int32_t>(n);
  call.k = static_cast<std::int32_t>(k);
  call.x = x;
  call.w = w;
  call.epilogue = epilogue;
  call.y = y;
  return call;
}

Product Products::product(const void* w, std::int64_t n, std::int64_t k, const void* x,
                          void* y) const {
  Product call;
  call.w = w;
  call.n = n;
  call.k = k;
  call.x = x;
  call.rows = rows_;
  call.y = y;
  return call;
}

void Products::normed(const Normed& call, Epilogue epilogue) {
  if (!is_gemv(call.k)) {
    matmul_.product(product(call.w, call.n, call.k, call.normed, call.y), dtype_, stream_);
    return;
  }
  Gemv own = gemv(call.w, call.n, call.k, call.x, epilogue, call.y);
  own.norm_weight = call.norm_weight;
  own.norm_eps = call.norm_eps;
  launch_gemv(own, multiprocessors_, stream_);
}

void Products::add(const void* w, std::int64_t n, std::int64_t k, const void* x, void* y) {
  if (is_gemv(k)) {
    launch_gemv(gemv(w, n, k, x, Epilogue::kAdd, y), multiprocessors_, stream_);
    return;
  }
  Product call = product(w, n, k, x, y);
  call.add = true;
  matmul_.product(call, dtype_, stream_);
}

void Products::logits(const void* w, std::int64_t n, std::int64_t k, const void* x,
                      std::int32_t rows, void* y) {
  if (is_gemv(rows, k)) {
    Gemv call = gemv(w, n, k, x, Epilogue::kStoreF32, y);
    call.rows = rows;
    launch_gemv(call, multiprocessors_, stream_);
    return;
  }
  Product call = product(w, n, k, x, y);
  call.rows = rows;
  call.f32 = true;
  matmul_.product(call, dtype_, stream_);
}

}  // namespace rooftop::inference::cuda
