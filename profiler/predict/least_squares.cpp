#include "profiler/predict/least_squares.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace rooftop::predict {
namespace {

using Vector = std::vector<double>;

constexpr double kStep = 1e-4;       // of the numeric derivatives; unknowns are of order one
constexpr double kTolerance = 1e-6;  // relative gain below which the search ends

class Solver {
 public:
  explicit Solver(const LeastSquaresProblem& problem)
      : p_(problem), n_(problem.prior.size()), m_(problem.residual_count) {}

  Vector run() {
    Vector x = p_.prior;
    Vector r = residuals(x);
    double sum = cost(x, r);
    double damping = 1e-3;
    for (int i = 0; i < p_.most_iterations; ++i) {
      linearise(x, r);
      bool better = false;
      for (int attempt = 0; attempt < 8 && !better; ++attempt, damping *= 4) {
        const auto step = damped_step(damping);
        if (!step) continue;
        Vector trial = x;
        for (std::size_t j = 0; j < n_; ++j) trial[j] += (*step)[j];
        Vector trial_r = residuals(trial);
        const double trial_sum = cost(trial, trial_r);
        if (!(trial_sum < sum)) continue;
        better = true;
        const bool done = sum - trial_sum < kTolerance * sum;
        x = std::move(trial);
        r = std::move(trial_r);
        sum = trial_sum;
        damping /= 32;
        if (done) return x;
      }
      if (!better) break;
    }
    return x;
  }

 private:
  [[nodiscard]] Vector residuals(const Vector& x) const {
    Vector r(m_);
    p_.residuals(x, r);
    return r;
  }

  [[nodiscard]] double cost(const Vector& x, const Vector& r) const {
    double sum = 0;
    for (const double value : r) {
      const double z = value / p_.scale;
      sum += 2 * p_.scale * p_.scale * (std::sqrt(1 + z * z) - 1);
    }
    for (std::size_t j = 0; j < n_; ++j) {
      const double off = p_.prior_weight[j] * (x[j] - p_.prior[j]);
      sum += off * off;
    }
    return sum;
  }

  // The normal equations around x: residuals weigh less the larger they are.
  void linearise(const Vector& x, const Vector& r) {
    std::vector<Vector> slopes(n_);
    for (std::size_t j = 0; j < n_; ++j) {
      Vector near = x;
      near[j] += kStep;
      slopes[j] = residuals(near);
      for (std::size_t i = 0; i < m_; ++i) slopes[j][i] = (slopes[j][i] - r[i]) / kStep;
    }
    matrix_.assign(n_ * n_, 0);
    gradient_.assign(n_, 0);
    Vector weight(m_);
    for (std::size_t i = 0; i < m_; ++i) {
      const double z = r[i] / p_.scale;
      weight[i] = 1 / std::sqrt(1 + z * z);
    }
    for (std::size_t j = 0; j < n_; ++j) {
      for (std::size_t k = 0; k <= j; ++k) {
        double sum = 0;
        for (std::size_t i = 0; i < m_; ++i) sum += weight[i] * slopes[j][i] * slopes[k][i];
        matrix_[j * n_ + k] = matrix_[k * n_ + j] = sum;
      }
      for (std::size_t i = 0; i < m_; ++i) gradient_[j] += weight[i] * slopes[j][i] * r[i];
      const double prior = p_.prior_weight[j] * p_.prior_weight[j];
      matrix_[j * n_ + j] += prior;
      gradient_[j] += prior * (x[j] - p_.prior[j]);
    }
  }

  // Cholesky; none where the matrix is not positive definite.
  [[nodiscard]] std::optional<Vector> damped_step(double damping) const {
    Vector l = matrix_;
    for (std::size_t j = 0; j < n_; ++j) l[j * n_ + j] *= 1 + damping;
    for (std::size_t j = 0; j < n_; ++j) {
      for (std::size_t k = 0; k <= j; ++k) {
        double sum = l[j * n_ + k];
        for (std::size_t i = 0; i < k; ++i) sum -= l[j * n_ + i] * l[k * n_ + i];
        if (j == k && !(sum > 0)) return std::nullopt;
        l[j * n_ + k] = j == k ? std::sqrt(sum) : sum / l[k * n_ + k];
      }
    }
    Vector step(n_);
    for (std::size_t j = 0; j < n_; ++j) {
      double sum = -gradient_[j];
      for (std::size_t i = 0; i < j; ++i) sum -= l[j * n_ + i] * step[i];
      step[j] = sum / l[j * n_ + j];
    }
    for (std::size_t j = n_; j-- > 0;) {
      for (std::size_t i = j + 1; i < n_; ++i) step[j] -= l[i * n_ + j] * step[i];
      step[j] /= l[j * n_ + j];
    }
    return step;
  }

  const LeastSquaresProblem& p_;
  const std::size_t n_;
  const std::size_t m_;
  Vector matrix_;
  Vector gradient_;
};

}  // namespace

std::vector<double> solve(const LeastSquaresProblem& problem) { return Solver(problem).run(); }

}  // namespace rooftop::predict
