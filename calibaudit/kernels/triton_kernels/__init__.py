"""The kernels in Triton, for CUDA devices and, interpreted, for tests on a CPU."""
