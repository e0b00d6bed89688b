// A library that is loaded as PyTorch loads its own: under this name, and never called.
extern "C" void rooftop_named_like_nccl() {}
