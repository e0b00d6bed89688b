// The matrix product that oneDNN does best, on random data.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace rooftop {

enum class GemmType { kF32, kBf16 };

// FLOP of C[m][n] = A[m][k] B[k][n]: a multiply and an add per element of the sum.
constexpr double gemm_flops(double m, double n, double k) { return 2 * m * n * k; }

// One square product of oneDNN, its weights laid out as oneDNN likes them best (as an engine does
// once, when it loads a model). Throws InputError where oneDNN cannot compute the type.
class SquareGemm {
 public:
  SquareGemm(GemmType type, std::int64_t size);
  ~SquareGemm();

  void run();
  [[nodiscard]] double flops() const;
  // The largest error of a few elements of C against a sum in double, relative to sum |a||b|.
  [[nodiscard]] double error() const;
  // The implementation that oneDNN chose: "brg:avx512_core_bf16".
  [[nodiscard]] std::string implementation() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rooftop
