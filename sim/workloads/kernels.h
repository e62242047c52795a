// The kernels of the workloads, as PTX text that the driver compiles for its GPU.
//
// `spin` keeps the GPU for as many nanoseconds as it is told. It counts the time that it really
// ran: a gap of more than 20 µs between two looks at %globaltimer is the turn of another context
// and does not count. A simulated driver does not run it, but takes the time from the comment
// before it. The others work on 32-bit elements, one to a thread.
//
// Threading: constants.
// Errors: none. Every architecture from sm_70 to sm_120 assembles it; tests/workloads/ptx_test.py
// asks NVIDIA's ptxas.
#pragma once

namespace tranche::sim::workloads {

inline constexpr char kKernels[] = R"(.version 6.0
.target sm_70
.address_size 64

// tranche-cost: param 0 ns
.visible .entry spin(.param .u64 spin_ns)
{
  .reg .pred %p<3>;
  .reg .u64 %t<6>;
  ld.param.u64 %t1, [spin_ns];
  mov.u64 %t2, 0;
  mov.u64 %t3, %globaltimer;
again:
  setp.ge.u64 %p1, %t2, %t1;
  @%p1 bra done;
  mov.u64 %t4, %globaltimer;
  sub.u64 %t5, %t4, %t3;
  mov.u64 %t3, %t4;
  setp.gt.u64 %p2, %t5, 20000;
  @%p2 bra again;
  add.u64 %t2, %t2, %t5;
  bra again;
done:
  ret;
}

.visible .entry fill(.param .u64 target, .param .u32 value, .param .u32 count)
{
  .reg .pred %p<2>;
  .reg .u32 %r<7>;
  .reg .u64 %d<5>;
  ld.param.u64 %d1, [target];
  ld.param.u32 %r1, [value];
  ld.param.u32 %r2, [count];
  mov.u32 %r3, %ctaid.x;
  mov.u32 %r4, %ntid.x;
  mov.u32 %r5, %tid.x;
  mad.lo.s32 %r6, %r3, %r4, %r5;
  setp.ge.u32 %p1, %r6, %r2;
  @%p1 bra done;
  cvta.to.global.u64 %d2, %d1;
  mul.wide.u32 %d3, %r6, 4;
  add.s64 %d4, %d2, %d3;
  st.global.u32 [%d4], %r1;
done:
  ret;
}

.visible .entry copy(.param .u64 target, .param .u64 source, .param .u32 count)
{
  .reg .pred %p<2>;
  .reg .u32 %r<7>;
  .reg .u64 %d<8>;
  ld.param.u64 %d1, [target];
  ld.param.u64 %d2, [source];
  ld.param.u32 %r1, [count];
  mov.u32 %r2, %ctaid.x;
  mov.u32 %r3, %ntid.x;
  mov.u32 %r4, %tid.x;
  mad.lo.s32 %r5, %r2, %r3, %r4;
  setp.ge.u32 %p1, %r5, %r1;
  @%p1 bra done;
  cvta.to.global.u64 %d3, %d1;
  cvta.to.global.u64 %d4, %d2;
  mul.wide.u32 %d5, %r5, 4;
  add.s64 %d6, %d3, %d5;
  add.s64 %d7, %d4, %d5;
  ld.global.u32 %r6, [%d7];
  st.global.u32 [%d6], %r6;
done:
  ret;
}

.visible .entry add(.param .u64 target, .param .u64 left, .param .u64 right, .param .u32 count)
{
  .reg .pred %p<2>;
  .reg .u32 %r<6>;
  .reg .f32 %f<4>;
  .reg .u64 %d<11>;
  ld.param.u64 %d1, [target];
  ld.param.u64 %d2, [left];
  ld.param.u64 %d3, [right];
  ld.param.u32 %r1, [count];
  mov.u32 %r2, %ctaid.x;
  mov.u32 %r3, %ntid.x;
  mov.u32 %r4, %tid.x;
  mad.lo.s32 %r5, %r2, %r3, %r4;
  setp.ge.u32 %p1, %r5, %r1;
  @%p1 bra done;
  cvta.to.global.u64 %d4, %d1;
  cvta.to.global.u64 %d5, %d2;
  cvta.to.global.u64 %d6, %d3;
  mul.wide.u32 %d7, %r5, 4;
  add.s64 %d8, %d4, %d7;
  add.s64 %d9, %d5, %d7;
  add.s64 %d10, %d6, %d7;
  ld.global.f32 %f1, [%d9];
  ld.global.f32 %f2, [%d10];
  add.f32 %f3, %f1, %f2;
  st.global.f32 [%d8], %f3;
done:
  ret;
}
)";

}  // namespace tranche::sim::workloads
