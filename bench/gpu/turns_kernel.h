// The kernel with which a process sees when a GPU computes for it, and when for others.
//
// `watch` looks at %globaltimer until `span_ns` have gone by since it began. Where more than 20 µs
// lie between two looks it was interrupted, and it writes down from when to when. records[0] is
// when it began and ended, the others are the gaps, in order; the memory has to be zero before.
// %globaltimer is the same clock for all contexts of a GPU. A simulated driver does not run it, and
// takes the time from the comment before it.
//
// Threading: constants.
// Errors: gaps beyond `capacity` are not written down.
#pragma once

namespace tranche::bench {

inline constexpr char kTurnsKernel[] = R"(.version 6.0
.target sm_70
.address_size 64

// tranche-cost: param 0 ns
.visible .entry watch(.param .u64 span_ns, .param .u64 records, .param .u32 capacity)
{
  .reg .pred %p<4>;
  .reg .u32 %r<3>;
  .reg .u64 %t<10>;
  ld.param.u64 %t1, [span_ns];
  ld.param.u64 %t2, [records];
  ld.param.u32 %r1, [capacity];
  cvta.to.global.u64 %t2, %t2;
  mov.u32 %r2, 0;
  mov.u64 %t3, %globaltimer;
  st.global.u64 [%t2], %t3;
  mov.u64 %t4, %t3;
again:
  mov.u64 %t5, %globaltimer;
  sub.u64 %t6, %t5, %t4;
  setp.le.u64 %p1, %t6, 20000;
  @%p1 bra next;
  setp.ge.u32 %p2, %r2, %r1;
  @%p2 bra next;
  mul.wide.u32 %t7, %r2, 16;
  add.s64 %t8, %t2, %t7;
  st.global.u64 [%t8+16], %t4;
  st.global.u64 [%t8+24], %t5;
  add.u32 %r2, %r2, 1;
next:
  mov.u64 %t4, %t5;
  sub.u64 %t9, %t5, %t3;
  setp.lt.u64 %p3, %t9, %t1;
  @%p3 bra again;
  st.global.u64 [%t2+8], %t5;
  ret;
}
)";

}  // namespace tranche::bench
