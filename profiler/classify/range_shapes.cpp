#include <algorithm>
#include <cctype>
#include <charconv>
#include <string>

#include "profiler/classify/attention_operators.h"
#include "profiler/classify/range_meaning.h"

namespace rooftop {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::optional<std::uint32_t> parse_number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end == text.data()) return std::nullopt;
  return value;
}

std::string_view without_namespace(std::string_view name) {
  const auto scope = name.rfind("::");
  return scope == std::string_view::npos ? name : name.substr(scope + 2);
}

}  // namespace

double TensorShape::rows() const {
  double rows = 1;
  for (std::size_t i = 0; i + 1 < dims.size(); ++i) rows *= dims[i];
  return rows;
}

std::vector<TensorShape> parse_shapes(std::string_view args) {
  constexpr std::size_t kMostTensors = 64;
  constexpr std::size_t kMostDims = 16;
  std::vector<TensorShape> shapes;
  while (shapes.size() < kMostTensors) {
    const auto open = args.find('[');
    const auto close = args.find(']', open);
    if (open == std::string_view::npos || close == std::string_view::npos) break;
    TensorShape shape;
    std::string_view list = args.substr(open + 1, close - open - 1);
    while (!list.empty() && shape.dims.size() < kMostDims) {
      while (!list.empty() && !is_digit(list.front())) list.remove_prefix(1);
      const auto number = parse_number(list);
      if (!number) break;
      shape.dims.push_back(*number);
      list.remove_prefix(std::min(list.find(','), list.size()));
    }
    args.remove_prefix(close + 1);
    shape.type = args.substr(0, std::min(args.find('['), args.size()));
    shapes.push_back(std::move(shape));
  }
  return shapes;
}

std::optional<ProductShape> product_shape(std::string_view name,
                                          const std::vector<TensorShape>& args) {
  const std::string_view op = without_namespace(name);
  const auto dense = [](const TensorShape& x, double in,
                        double out) -> std::optional<ProductShape> {
    if (x.rank() < 1 || x.dims.back() != in || in <= 0 || out <= 0) return std::nullopt;
    return ProductShape{.rows = x.rows(), .in = in, .out = out};
  };
  const auto two = [](const TensorShape& t) { return t.rank() == 2; };
  if (op == "linear" && args.size() >= 2 && two(args[1])) {
    return dense(args[0], args[1].dims[1], args[1].dims[0]);
  }
  if ((op == "mm" || op == "matmul" || op == "_scaled_mm") && args.size() >= 2 && two(args[1])) {
    return dense(args[0], args[1].dims[0], args[1].dims[1]);
  }
  if (op == "addmm" && args.size() >= 3 && two(args[2])) {
    return dense(args[1], args[2].dims[0], args[2].dims[1]);
  }
  const std::size_t first = op == "baddbmm" ? 1 : 0;
  if ((op == "bmm" || op == "baddbmm") && args.size() >= first + 2 && args[first].rank() == 3 &&
      args[first + 1].rank() == 3) {
    const auto& a = args[first].dims;
    const auto& b = args[first + 1].dims;
    return ProductShape{.rows = a[1], .in = a[2], .out = b[2], .batch = a[0]};
  }
  return std::nullopt;
}

std::optional<AttentionCall> attention_call(std::string_view name,
                                            const std::vector<TensorShape>& args) {
  std::string word(without_namespace(name));
  std::transform(word.begin(), word.end(), word.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const AttentionOp* op = find_attention(word);
  if (op == nullptr || args.size() < 2) return std::nullopt;
  const std::vector<double>& q = args[0].dims;
  const std::vector<double>& k = args[1].dims;
  if (q.size() == 4 && k.size() == 4) {
    const std::size_t heads = op->heads_first ? 1 : 2;
    const std::size_t rows = 3 - heads;
    return AttentionCall{.batch = q[0],
                         .query_rows = q[rows],
                         .keys = k[rows],
                         .heads = q[heads],
                         .kv_heads = k[heads],
                         .head_dim = q[3],
                         .total_rows = q[0] * q[rows]};
  }
  if (q.size() == 3 && k.size() >= 3) {
    return AttentionCall{
        .heads = q[1], .kv_heads = k[k.size() - 2], .head_dim = q[2], .total_rows = q[0]};
  }
  return std::nullopt;
}

}  // namespace rooftop
