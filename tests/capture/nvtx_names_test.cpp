#include "profiler/capture/nvtx_names.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace rooftop::capture {
namespace {

NvtxMessage ascii(const char* text) {
  NvtxMessage message{.type = NVTX_MESSAGE_TYPE_ASCII, .value = {}};
  message.value.ascii = text;
  return message;
}
NvtxMessage wide(const wchar_t* text) {
  NvtxMessage message{.type = NVTX_MESSAGE_TYPE_UNICODE, .value = {}};
  message.value.unicode = text;
  return message;
}
std::string copied(const NvtxMessage& message, std::size_t room) {
  std::string out(room, '?');
  out.resize(copy_text(message, out.data(), room));
  return out;
}

TEST(NvtxNames, CopiesWithinTheRoom) {
  EXPECT_EQ(copied(ascii("linear"), 100), "linear");
  EXPECT_EQ(copied(ascii("linear"), 3), "lin");
  EXPECT_EQ(copied(ascii("linear"), 0), "");
  EXPECT_EQ(copied(ascii(nullptr), 10), "");
  EXPECT_EQ(copied(NvtxMessage{}, 10), "");
}

TEST(NvtxNames, WideTextBecomesUtf8) {
  EXPECT_EQ(copied(wide(L"A\u00e9\u4e2d\U0001F680"), 100), "Aé中🚀");
  EXPECT_EQ(copied(wide(L"\u4e2d\u4e2d"), 5), "中");  // no half of a character
  const std::array<wchar_t, 4> wrong = {static_cast<wchar_t>(0x110000),
                                        static_cast<wchar_t>(0xD800), static_cast<wchar_t>(-1), 0};
  EXPECT_EQ(copied(wide(wrong.data()), 100), "\uFFFD\uFFFD\uFFFD");
}

// Cut at any place, a name is a beginning of itself that ends with a whole character.
TEST(NvtxNames, CutUtf8StaysUtf8) {
  const std::string text = "aé中🚀b";
  const std::vector<std::size_t> whole = {0, 1, 3, 6, 10, 11};
  for (std::size_t room = 0; room <= text.size() + 2; ++room) {
    const std::string cut = copied(ascii(text.c_str()), room);
    EXPECT_TRUE(text.starts_with(cut));
    EXPECT_NE(std::find(whole.begin(), whole.end(), cut.size()), whole.end()) << room;
    EXPECT_LE(cut.size(), room);
  }
}

TEST(NvtxNames, RegisteredTextsOutliveTheirCallers) {
  NvtxMessage message{.type = NVTX_MESSAGE_TYPE_REGISTERED, .value = {}};
  {
    const std::string text(2000, 'r');
    message.value.registered = register_text(ascii(text.c_str()));
  }
  EXPECT_EQ(copied(message, 3000), std::string(kMaxScopeName, 'r'));
  EXPECT_EQ(copied(message, 7), "rrrrrrr");
}

TEST(NvtxNames, DomainsAreTheSameByName) {
  EXPECT_EQ(domain_named("rooftop"), our_domain());
  EXPECT_EQ(domain_named("NCCL"), domain_named("NCCL"));
  EXPECT_NE(domain_named("NCCL"), domain_named("NCCL2"));
  EXPECT_NE(domain_named("NCCL"), our_domain());
  EXPECT_NE(default_domain(), our_domain());
  std::vector<std::thread> threads;
  std::array<nvtxDomainHandle_t, 16> found{};
  for (std::size_t t = 0; t < found.size(); ++t)
    threads.emplace_back([&found, t] { found[t] = domain_named("made at once"); });
  for (std::thread& thread : threads) thread.join();
  for (const nvtxDomainHandle_t handle : found) EXPECT_EQ(handle, found[0]);
}

// In a process of its own, which has none left afterwards.
[[noreturn]] void use_up_domains_and_texts() {
  bool ok = true;
  for (int i = 0; i < 6000; ++i) ok = ok && domain_named("many" + std::to_string(i)) != nullptr;
  ok = ok && domain_named("many5999") == domain_named("many5998");  // one for all that are too many
  const std::string text(1000, 'x');
  NvtxMessage message{.type = NVTX_MESSAGE_TYPE_REGISTERED, .value = {}};
  for (int i = 0; i < 20'000; ++i) message.value.registered = register_text(ascii(text.c_str()));
  ok = ok && copied(message, 100) == "(more registered strings than are kept)";
  std::_Exit(ok ? 0 : 1);
}

TEST(NvtxNames, WithoutEndDomainsAndTextsAreBounded) {
  EXPECT_EXIT(use_up_domains_and_texts(), ::testing::ExitedWithCode(0), "");
}

TEST(NvtxNames, TakesPyTorchsNamesApart) {
  const TorchName all = split_torch_name(
      "aten::addmm, seq = 5, op_id = 12, sizes = [[768], [], [16, 32]], "
      "input_op_ids = [(11,0), (9,1)]");
  EXPECT_EQ(all.name, "aten::addmm");
  EXPECT_EQ(all.args, "[768][][16,32]");
  EXPECT_EQ(split_torch_name("aten::mm, op_id = 3").name, "aten::mm");
  EXPECT_EQ(split_torch_name("autograd::engine, seq = 1").args, "");
  EXPECT_EQ(split_torch_name("a, b and c").name, "a, b and c");
  EXPECT_EQ(split_torch_name("").name, "");
  EXPECT_EQ(split_torch_name("x, sizes = none").args, "");
  EXPECT_EQ(split_torch_name("x, sizes = [[1, 2").args, "[1,2");  // cut at its end
}

// Whatever a name is, its parts come from it.
TEST(NvtxNames, RandomNamesDoNoHarm) {
  std::mt19937 random(7);
  const std::string letters = "[], =seqizop_d19";
  for (int i = 0; i < 20'000; ++i) {
    std::string name = random() % 2 == 0 ? "x, sizes = [[" : "";
    for (std::size_t n = random() % 40; n > 0; --n) name += letters[random() % letters.size()];
    const TorchName parts = split_torch_name(name);
    EXPECT_TRUE(name.starts_with(parts.name));
    EXPECT_LE(parts.args.size(), name.size());
    EXPECT_EQ(parts.args.find(' '), std::string::npos);
  }
}

}  // namespace
}  // namespace rooftop::capture
