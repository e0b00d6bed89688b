#include "tests/corpus/sequences.h"

#include <functional>
#include <map>

namespace rooftop::corpus {
namespace {

using enum Operator;
using Launches = std::vector<LabelledLaunch>;

LabelledLaunch launch(std::string name, Operator op, double microseconds) {
  LabelledLaunch l;
  l.name = std::move(name);
  l.op = op;
  l.microseconds = microseconds;
  return l;
}

LabelledLaunch clear_for(Operator op) {
  LabelledLaunch l = launch("memset", op, 0.9);
  l.memset = true;
  return l;
}

Launches joined(std::initializer_list<Launches> parts) {
  Launches all;
  for (const Launches& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

// --- Transformers, eager. Names and times: AMD-AGI/TraceLens@171dd74, PyTorch 2.6 on an H100
// (MIT).
constexpr char kXmma[] =
    "sm90_xmma_gemm_bf16bf16_bf16f32_f32_tn_n_tilesize128x128x64_warpgroupsize1x1x1_execute_"
    "segment_k_off_kernel__5x_cublas";
std::string elementwise(const std::string& work) {
  return "void at::native::elementwise_kernel<128, 4, at::native::gpu_kernel_impl_nocast<" + work +
         " >(at::TensorIteratorBase&, " + work + " const&)::{lambda(int)#1}>(int)";
}
std::string vectorized(const std::string& work) {
  return "void at::native::vectorized_elementwise_kernel<4, " + work +
         ", std::array<char*, 2ul> >(int, " + work + ", std::array<char*, 2ul>)";
}
const std::string kCopy =
    "at::native::direct_copy_kernel_cuda(at::TensorIteratorBase&)::{lambda()#3}";
const std::string kMul =
    "at::native::BinaryFunctor<c10::BFloat16, c10::BFloat16, c10::BFloat16, "
    "at::native::binary_internal::MulFunctor<float> >";
const std::string kAdd = "at::native::CUDAFunctor_add<c10::BFloat16>";
const std::string kCat =
    "void at::native::(anonymous namespace)::CatArrayBatchedCopy<at::native::(anonymous "
    "namespace)::OpaqueType<2u>, unsigned int, 4, 64, 64>(at::native::OpaqueType<2u>*)";

Launches eager_norm() {
  return {launch(elementwise(kCopy), kNorm, 29.2),
          launch(vectorized("at::native::(anonymous namespace)::pow_tensor_scalar_kernel_impl<"
                            "float, float>"),
                 kNorm, 26.5),
          launch("void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float, "
                 "at::native::MeanOps<float, float, float, float>, unsigned int, float, 4> >",
                 kNorm, 15.2),
          launch(vectorized("at::native::CUDAFunctorOnSelf_add<float>"), kNorm, 1.7),
          launch(vectorized("at::native::rsqrt_kernel_cuda(at::TensorIteratorBase&)"), kNorm, 1.6),
          launch(elementwise("at::native::BinaryFunctor<float, float, float, "
                             "at::native::binary_internal::MulFunctor<float> >"),
                 kNorm, 32.8),
          launch(vectorized("at::native::bfloat16_copy_kernel_cuda(at::TensorIteratorBase&)"),
                 kNorm, 18.3),
          launch(elementwise(kMul), kNorm, 25.2)};
}

Launches eager_rotation() {
  return {launch(elementwise(kMul), kRope, 27.9),
          launch(elementwise("at::native::neg_kernel_cuda(at::TensorIteratorBase&)"), kRope, 12.2),
          launch(kCat, kRope, 42.0), launch(elementwise(kMul), kRope, 27.9),
          launch(elementwise(kAdd), kRope, 34.8)};
}

Launches eager_product(Operator op, double microseconds) {
  return {clear_for(op), launch(kXmma, op, microseconds)};
}

StepPattern eager() {
  StepPattern p;
  p.before = {
      launch("void at::native::(anonymous namespace)::indexSelectLargeIndex<c10::BFloat16, long, "
             "unsigned int, 2, 2, -2, true>",
             kEmbed, 51.8),
      launch("void (anonymous namespace)::elementwise_kernel_with_index<int, "
             "at::native::arange_cuda_out(c10::Scalar const&)>",
             kOther, 1.5),
      launch("void cutlass::Kernel2<cutlass_80_simt_sgemm_128x32_8x5_nn_align1>("
             "cutlass_80_simt_sgemm_128x32_8x5_nn_align1::Params)",
             kRope, 3.5),
      launch(kCat, kRope, 3.5),
      launch(vectorized("at::native::cos_kernel_cuda(at::TensorIteratorBase&)"), kRope, 2.1),
      launch(vectorized("at::native::sin_kernel_cuda(at::TensorIteratorBase&)"), kRope, 2.0)};
  p.layer = joined(
      {eager_norm(),
       eager_product(kQ, 31.7),
       eager_product(kK, 31.4),
       eager_product(kV, 31.3),
       eager_rotation(),
       eager_rotation(),
       {launch(kCat, kKvWrite, 20), launch(kCat, kKvWrite, 20),
        launch(elementwise(kCopy), kOther, 28.8),
        launch("void pytorch_flash::flash_fwd_kernel<pytorch_flash::Flash_fwd_kernel_traits<64, "
               "128, 128, 4, false, false, cutlass::bfloat16_t>, false, true, false, false>",
               kQkPv, 113.5),
        launch(elementwise(kCopy), kOther, 27.4)},
       eager_product(kOProj, 31.6),
       {launch(vectorized(kAdd), kResidual, 17.8)},
       eager_norm(),
       eager_product(kGate, 84.5),
       {launch(vectorized("at::native::(anonymous namespace)::silu_kernel(at::TensorIteratorBase&"
                          ")::{lambda()#1}"),
               kActivation, 38.6)},
       eager_product(kUp, 82.9),
       {launch(vectorized(kMul), kActivation, 51.1)},
       eager_product(kDown, 75.6),
       {launch(vectorized(kAdd), kResidual, 17.8)}});
  p.behind =
      joined({eager_norm(),
              {launch(kXmma, kLmHead, 700),
               launch("void at::native::reduce_kernel<512, 1, at::native::ReduceOp<c10::BFloat16, "
                      "at::native::ArgMaxOps<float>, unsigned int, long, 4> >",
                      kSampling, 38)}});
  return p;
}

// --- torch.compile: TorchInductor's names, as in vLLM's compiled graphs and in gpt-fast.
StepPattern compiled() {
  const std::string gemm =
      "void cutlass::Kernel2<cutlass_80_tensorop_bf16_s16816gemm_relu_bf16_64x64_64x6_tn_align8>";
  StepPattern p;
  p.before = {launch("triton_poi_fused_embedding_0", kEmbed, 2.4)};
  p.layer = {launch("triton_red_fused__to_copy_add_mean_mul_pow_rsqrt_1", kNorm, 3.4),
             launch(gemm, kQkv, 60),
             launch("triton_poi_fused_cat_cos_mul_neg_sin_2", kRope, 4.3),
             launch("triton_poi_fused_index_put_3", kKvWrite, 2.8),
             launch("void pytorch_flash::flash_fwd_splitkv_kernel<Flash_fwd_kernel_traits<128>>",
                    kQkPv, 25),
             launch("void pytorch_flash::flash_fwd_splitkv_combine_kernel<128>", kQkPv, 5),
             launch(gemm, kOProj, 22),
             launch("triton_red_fused__to_copy_add_mean_mul_pow_rsqrt_4", kNorm, 3.4),
             launch(gemm, kGate, 55),
             launch(gemm, kUp, 55),
             launch("triton_poi_fused_mul_silu_5", kActivation, 1.7),
             launch(gemm, kDown, 55)};
  p.behind = {launch("triton_red_fused__to_copy_add_mean_mul_pow_rsqrt_6", kNorm, 3.4),
              launch(gemm, kLmHead, 340), launch("triton_red_fused_argmax_7", kSampling, 20)};
  return p;
}

// --- vLLM on an A100: ampere_* products as in its public kernel lists.
StepPattern vllm() {
  const std::string narrow = "ampere_fp16_s16816gemm_fp16_64x64_sliced1x2_ldg8_f2f_stages_64x6_tn";
  const std::string wide = "ampere_fp16_s16816gemm_fp16_64x64_sliced1x2_ldg8_f2f_stages_64x5_tn";
  const std::string split =
      "void cublasLt::splitKreduce_kernel<32, 16, int, float, __half, float, false>";
  StepPattern p;
  p.before = {launch("void vllm::_compute_slot_mapping_kernel", kOther, 8),
              launch("void at::native::(anonymous namespace)::indexSelectSmallIndex<c10::Half, "
                     "long, unsigned int, 2, 2, -2>",
                     kEmbed, 2.4)};
  p.layer = {
      launch("void vllm::fused_add_rms_norm_kernel<c10::Half, 8>", kNorm, 3.1),
      launch(wide, kQkv, 62),
      launch("void vllm::rotary_embedding_kernel<c10::Half, true>", kRope, 2.7),
      launch("void vllm::reshape_and_cache_flash_kernel<unsigned short, unsigned short>", kKvWrite,
             2.8),
      launch("void flash::flash_fwd_splitkv_kernel<Flash_fwd_kernel_traits<128, 64>>", kQkPv, 24),
      launch("void flash::flash_fwd_splitkv_combine_kernel<Flash_fwd_kernel_traits<128>>", kQkPv,
             5),
      launch(narrow, kOProj, 25),
      launch(split, kOProj, 2),
      launch("void vllm::fused_add_rms_norm_kernel<c10::Half, 8>", kNorm, 3.1),
      launch(wide, kGateUp, 110),
      launch("void vllm::act_and_mul_kernel<c10::Half, &vllm::silu_kernel>", kActivation, 3),
      launch(narrow, kDown, 60),
      launch(split, kDown, 2)};
  p.behind = {launch("void vllm::fused_add_rms_norm_kernel<c10::Half, 8>", kNorm, 3.1),
              launch(wide, kLmHead, 160),
              launch("void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float, "
                     "at::native::ArgMaxOps<float>, unsigned int, long, 4> >",
                     kSampling, 20)};
  return p;
}

StepPattern tensor_parallel() {
  StepPattern p = vllm();
  const LabelledLaunch reduce =
      launch("void vllm::cross_device_reduce_1stage<__half, 4>", kComm, 9);
  Launches layer;
  for (const LabelledLaunch& l : p.layer) {
    layer.push_back(l);
    // The split product's reduction is the last of both output projection and down.
    if (l.name.find("splitKreduce") != std::string::npos) layer.push_back(reduce);
  }
  p.layer = layer;
  p.before.push_back(reduce);
  p.behind.insert(
      p.behind.begin() + 2,
      launch("ncclDevKernel_AllGather_RING_LL(ncclDevKernelArgsStorage<4096ul>)", kComm, 30));
  return p;
}

StepPattern quantised() {
  StepPattern p = vllm();
  for (Launches* part : {&p.layer}) {
    Launches changed;
    for (LabelledLaunch l : *part) {
      if (l.name.find("splitKreduce") != std::string::npos) continue;
      if (l.name.starts_with("ampere")) l.name = "void marlin::Marlin<256, 1, 8, 8, 4, 8>";
      changed.push_back(l);
    }
    *part = changed;
  }
  return p;
}

// --- SGLang on Hopper: nvjet products, FlashInfer's norms, FlashAttention 3.
StepPattern sglang() {
  const std::string wide = "nvjet_sm90_tst_64x8_64x16_2x1_v_bz_TNT";
  const std::string split = "nvjet_sm90_tst_64x8_64x16_2x1_v_bz_splitK_TNT";
  const std::string reduce =
      "void cublasLt::splitKreduce_kernel<32, 16, int, float, __nv_bfloat16, float>";
  const std::string fa3 =
      "void cutlass::device_kernel<flash::enable_sm90_or_later<flash::FlashAttnFwdSm90<flash::"
      "CollectiveMainloopFwdSm90<2>>>>";
  StepPattern p;
  p.before = {launch("void at::native::vectorized_gather_kernel<16, long>(char*, char*, long*)",
                     kEmbed, 2.4),
              launch("void flash::prepare_varlen_num_blocks_kernel<1, true>", kOther, 3.2)};
  p.layer = {
      launch("void flashinfer::norm::FusedAddRMSNormKernel<8u, __nv_bfloat16>", kNorm, 2.7),
      launch(split, kQkv, 17.2),
      launch(reduce, kQkv, 2.2),
      launch("void (anonymous namespace)::fused_qknorm_warp<128l, true, __nv_bfloat16>", kNorm,
             1.9),
      launch("void (anonymous namespace)::fused_rope_kernel<true, 128l, true, __nv_bfloat16>",
             kRope, 1.7),
      launch(fa3, kQkPv, 8.5),
      launch("void cutlass::device_kernel<flash::FlashAttnFwdCombine<cute::tuple<cute::C<8>>>>",
             kQkPv, 2.4),
      launch(split, kOProj, 14),
      launch(reduce, kOProj, 2.2),
      launch("void flashinfer::norm::FusedAddRMSNormKernel<8u, __nv_bfloat16>", kNorm, 2.7),
      launch(wide, kGateUp, 34),
      launch("void flashinfer::activation::act_and_mul_kernel<__nv_bfloat16, &(float silu<float>("
             "float const&))>",
             kActivation, 2),
      launch(split, kDown, 30),
      launch(reduce, kDown, 2.2)};
  p.behind = {
      launch("void flashinfer::norm::FusedAddRMSNormKernel<8u, __nv_bfloat16>", kNorm, 2.7),
      launch("nvjet_sm90_tst_512x8_64x3_2x1_v_bz_TNT", kLmHead, 344),
      launch("void at::native::(anonymous namespace)::cunn_SoftMaxForward<4, float, float, float, "
             "at::native::(anonymous namespace)::SoftMaxForwardEpilogue>",
             kSampling, 62)};
  return p;
}

// --- llama.cpp, half precision, decode.
StepPattern llama_cpp(bool flash, const std::string& product) {
  const LabelledLaunch norm = launch("void rms_norm_f32<1024, true>(float const*)", kNorm, 2.8);
  const LabelledLaunch add =
      launch("void k_bin_bcast<&op_add, float, float, float>(float const*)", kResidual, 1.2);
  const bool quantised = product.find("mul_mat_q") != std::string::npos;
  const auto mul = [&](Operator op, double us) {
    Launches l;
    if (quantised) l.push_back(launch("quantize_mmq_q8_1<ds_layout0>", kOther, 1.7));
    l.push_back(launch(product, op, us));
    return l;
  };
  const Launches attention =
      flash ? Launches{launch("void flash_attn_ext_vec<128, 1, (ggml_type)1, (ggml_type)1, false>",
                              kQkPv, 22)}
            : Launches{launch(product, kQk, 11),
                       launch("void soft_max_f32<true, 0, 0, half>", kSoftmax, 3),
                       launch(product, kPv, 10)};
  StepPattern p;
  p.before = {launch("void k_get_rows_float<__half, float>", kEmbed, 1.3)};
  p.layer = joined(
      {{norm},
       mul(kQ, 26),
       mul(kK, 8),
       mul(kV, 8),
       {launch("void rope_norm<true, false, float>(float const*)", kRope, 1.4),
        launch("void rope_norm<true, false, float>(float const*)", kRope, 1.4),
        launch("void k_set_rows<float, long, __half>", kKvWrite, 1.4),
        launch("void k_set_rows<float, long, __half>", kKvWrite, 1.4)},
       attention,
       mul(kOProj, 26),
       {add, norm},
       mul(kGate, 70),
       mul(kUp, 70),
       {launch("void unary_gated_op_kernel<&op_silu, float>(float const*)", kActivation, 1.9)},
       mul(kDown, 70),
       {add}});
  p.behind = joined({{norm}, mul(kLmHead, 200)});
  return p;
}

// --- TensorRT-LLM: decode with its own attention; the products are cuBLAS's.
StepPattern tensorrt_llm() {
  const std::string gemm = "sm80_xmma_gemm_f16f16_f16f32_f32_tn_n_tilesize32x32x64_stage6";
  StepPattern p;
  p.before = {launch("void tensorrt_llm::kernels::lookup_kernel<__half, int>", kEmbed, 2)};
  p.layer = {
      launch("void tensorrt_llm::kernels::generalRmsNorm<__half, float, true>", kNorm, 3),
      launch(gemm, kQkv, 60),
      launch("void tensorrt_llm::kernels::mmha::masked_multihead_attention_kernel<unsigned short, "
             "unsigned short, 128>",
             kQkPv, 14),
      launch(gemm, kOProj, 22),
      launch("void tensorrt_llm::kernels::generalRmsNorm<__half, float, true>", kNorm, 3),
      launch(gemm, kGate, 55),
      launch(gemm, kUp, 55),
      launch("void tensorrt_llm::kernels::swiglu_kernel<__half>", kActivation, 2),
      launch(gemm, kDown, 55)};
  p.behind = {launch("void tensorrt_llm::kernels::generalRmsNorm<__half, float, true>", kNorm, 3),
              launch(gemm, kLmHead, 160),
              launch("void tensorrt_llm::kernels::topKSampling<float>", kSampling, 12)};
  return p;
}

const std::map<std::string, std::function<StepPattern()>>& patterns() {
  static const std::map<std::string, std::function<StepPattern()>> all = {
      {"transformers eager", eager},
      {"torch.compile", compiled},
      {"vllm", vllm},
      {"vllm tensor parallel", tensor_parallel},
      {"vllm marlin", quantised},
      {"sglang graphs", sglang},
      {"llama.cpp", [] { return llama_cpp(true, "void mul_mat_vec_f<__half, __half, 1, 256>"); }},
      {"llama.cpp unfused",
       [] { return llama_cpp(false, "void mul_mat_vec_f<__half, __half, 1, 256>"); }},
      {"llama.cpp q4", [] { return llama_cpp(true, "mul_mat_q<(ggml_type)2,(int)128,(bool)0>"); }},
      {"tensorrt-llm", tensorrt_llm},
  };
  return all;
}

}  // namespace

Sequence repeat(const std::string& engine, const StepPattern& pattern, std::uint32_t layers,
                std::uint32_t steps) {
  Sequence sequence{.engine = engine, .launches = {}, .layers = layers, .steps = steps};
  const auto append = [&](const Launches& part, std::uint32_t step, std::int32_t layer) {
    for (LabelledLaunch l : part) {
      l.step = static_cast<std::int32_t>(step);
      l.layer = layer;
      sequence.launches.push_back(std::move(l));
    }
  };
  for (std::uint32_t step = 0; step < steps; ++step) {
    append(pattern.before, step, -1);
    for (std::uint32_t i = 0; i < layers; ++i) {
      append(pattern.layer, step, static_cast<std::int32_t>(i));
    }
    append(pattern.behind, step, -1);
  }
  return sequence;
}

std::vector<Sequence> engines() {
  std::vector<Sequence> all;
  for (const auto& [name, make] : patterns()) {
    all.push_back(repeat(name, make(), 8, 3));
    // The eager kernels serve both phases.
    all.back().phase = name == "transformers eager" ? Phase::kUnknown : Phase::kAr;
  }
  return all;
}

StepPattern pattern_of(const std::string& engine) { return patterns().at(engine)(); }

}  // namespace rooftop::corpus
