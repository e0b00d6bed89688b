#include "profiler/classify/kernel_rules.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "profiler/classify/kernel_name.h"
#include "profiler/core/error.h"

namespace rooftop {
namespace {

TEST(KernelName, OneSpellingOfWhatToolsSpellDifferently) {
  const std::string nsight =
      "void softmax_warp_forward<float, (int)6, (bool)0>(T2 *, const bool *)::[lambda() (instance "
      "3)]::operator ()";
  const std::string pytorch =
      "void softmax_warp_forward<float, 6, false>(T2*, const bool*)::{lambda()#3}::operator ()";
  EXPECT_EQ(normalised_kernel_name(nsight), normalised_kernel_name(pytorch));
  EXPECT_EQ(normalised_kernel_name("void a::<unnamed>::f<(unsigned int)2>"),
            normalised_kernel_name("a::(anonymous namespace)::f<2>"));
  EXPECT_EQ(normalised_kernel_name("nvjet_sm90_tst_64x8"), "nvjet_tst_64x8");
  EXPECT_EQ(normalised_kernel_name("f<g<int> >"), "f<g<int>>");
  EXPECT_EQ(normalised_kernel_name("operator()(int) const"), "operator()(int) const");
}

TEST(KernelName, AnyTextIsTaken) {
  std::mt19937 random(7);
  for (int i = 0; i < 2000; ++i) {
    std::string text(random() % 60, ' ');
    for (char& c : text) c = "(<>[lambd) 1:_*&\xff"[random() % 18];
    const std::string once = normalised_kernel_name(text);
    EXPECT_LE(once.size(), 4 * text.size() + 8);
  }
  EXPECT_LE(normalised_kernel_name(std::string(100'000, 'x')).size(), 4096U);
}

// The textbook's recursion.
bool fits_slowly(std::string_view p, std::string_view t) {
  if (p.empty()) return t.empty();
  if (p[0] == '*')
    return fits_slowly(p.substr(1), t) || (!t.empty() && fits_slowly(p, t.substr(1)));
  return !t.empty() && (p[0] == '?' || p[0] == t[0]) && fits_slowly(p.substr(1), t.substr(1));
}

TEST(Patterns, FitAsTheDefinitionSays) {
  std::mt19937 random(3);
  int fitting = 0;
  for (int i = 0; i < 50'000; ++i) {
    std::string pattern(random() % 7, ' ');
    std::string text(random() % 9, ' ');
    for (char& c : pattern) c = "ab*?"[random() % 4];
    for (char& c : text) c = "ab"[random() % 2];
    EXPECT_EQ(fits_pattern(pattern, text), fits_slowly(pattern, text)) << pattern << " " << text;
    fitting += fits_pattern(pattern, text) ? 1 : 0;
  }
  EXPECT_GT(fitting, 5000);
}

Operator by_name(const KernelRules& rules, const std::string& name) {
  const KernelRule* rule = rules.find(normalised_kernel_name(name));
  return rule == nullptr ? Operator::kUnclassified : only(rule->operators);
}

TEST(KernelRules, AUsersLinesComeFirst) {
  KernelRules rules = KernelRules::built_in();
  EXPECT_EQ(by_name(rules, "void my_engine::Secret<3>(float*)"), Operator::kUnclassified);
  EXPECT_EQ(by_name(rules, "rmsnorm"), Operator::kNorm);
  rules.load_user_text(
      "# mine\n*my_engine::secret* -> gate_up_act gated phase=ar\nrmsnorm -> other\n", "mine.txt");
  EXPECT_EQ(by_name(rules, "void my_engine::Secret<3>(float*)"), Operator::kGateUpAct);
  EXPECT_EQ(by_name(rules, "rmsnorm"), Operator::kOther);
  EXPECT_TRUE(rules.rules()[0].gated);
  EXPECT_EQ(rules.rules()[0].phase, Phase::kAr);
}

TEST(KernelRules, WhatIsWrongIsNamedWithItsLine) {
  const auto error = [](const std::string& text) -> std::string {
    KernelRules rules;
    try {
      rules.load_user_text(text, "mine.txt");
    } catch (const InputError& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_NE(error("\n*a* => norm\n").find("mine.txt, line 2"), std::string::npos);
  EXPECT_NE(error("*a* -> attention").find("'attention'"), std::string::npos);
  EXPECT_NE(error("*a* -> unclassified").find("'unclassified'"), std::string::npos);
  EXPECT_NE(error("*a* -> norm loud").find("'loud'"), std::string::npos);
  EXPECT_NE(error(" -> norm").find("line 1"), std::string::npos);
  EXPECT_EQ(error("*a* -> norm # why\n\n[section]\n"), "");
  EXPECT_THROW(KernelRules().load_user_file("/no/such/file"), InputError);
}

TEST(KernelRules, NamesOfProductsNeverSayWhichLayerTheyServe) {
  const KernelRules rules = KernelRules::built_in();
  for (const char* name :
       {"nvjet_tst_64x8_64x16_2x1_v_bz_TNT",
        "ampere_fp16_s16816gemm_fp16_64x64_ldg8_f2f_stages_64x5_tn",
        "void cutlass::Kernel2<cutlass_80_tensorop_bf16_s16816gemm_relu_bf16_64x64_64x6_tn_align8>",
        "std::enable_if<!(false), void>::type internal::gemvx::kernel<int, int, __nv_bfloat16>",
        "mul_mat_q<(ggml_type)40,24,0>", "void marlin::Marlin<256, 1>"}) {
    const KernelRule* rule = rules.find(normalised_kernel_name(name));
    ASSERT_NE(rule, nullptr) << name;
    EXPECT_EQ(rule->operators, kProducts) << name << " by " << rule->pattern;
  }
}

TEST(KernelRules, BackwardIsNoOperatorOfInference) {
  const KernelRules rules = KernelRules::built_in();
  EXPECT_EQ(by_name(rules, "void pytorch_flash::flash_bwd_dq_dk_dv_loop_seqk_parallel_kernel<64>"),
            Operator::kOther);
}

}  // namespace
}  // namespace rooftop
