// Robust nonlinear least squares (Levenberg-Marquardt with a soft-L1 loss), for tens of unknowns.
#pragma once

#include <functional>
#include <span>
#include <vector>

namespace rooftop::predict {

struct LeastSquaresProblem {
  // Fills `residuals`; they count with soft-L1 loss, quadratic below `scale`, linear above.
  std::function<void(std::span<const double> x, std::span<double> residuals)> residuals;
  std::size_t residual_count = 0;
  double scale = 0.08;
  // Added to the sum: (weight * (x - prior))^2. Keeps unknowns that the data say nothing about
  // where they were.
  std::vector<double> prior;
  std::vector<double> prior_weight;
  int most_iterations = 40;
};

// The unknowns at the least sum, from the prior on.
std::vector<double> solve(const LeastSquaresProblem& problem);

}  // namespace rooftop::predict
