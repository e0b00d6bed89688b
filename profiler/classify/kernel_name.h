// One spelling for kernel names, however a tool demangled them.
#pragma once

#include <string>
#include <string_view>

namespace rooftop {

// Lower case; `(int)128` and `(bool)1` are 128 and true, anonymous namespaces are `anon`, lambdas
// `{lambda()#1}`; nothing about the chip in nvjet's names; no `void ` in front, no blank inside of
// `> >` or before `*` and `&`. Very long names are cut: what tells kernels apart stands in front.
std::string normalised_kernel_name(std::string_view name);

}  // namespace rooftop
