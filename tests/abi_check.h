// How our declarations of a library are held against its maker's header, by the compiler alone.
//
// Threading: nothing runs.
// Errors: what does not agree does not compile; the message names it.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

namespace tranche::tests {

template <typename T>
concept Complete = requires {
  sizeof(T);
};

// Two parameters that the machine passes alike: both pointers to things of one size, or both
// numbers of one size, and equally const.
template <typename Ours, typename Theirs>
constexpr bool PassedAlike() {
  if constexpr (std::is_pointer_v<Ours> || std::is_pointer_v<Theirs>) {
    if constexpr (!std::is_pointer_v<Ours> || !std::is_pointer_v<Theirs>) {
      return false;
    } else {
      using A = std::remove_pointer_t<Ours>;
      using B = std::remove_pointer_t<Theirs>;
      if constexpr (Complete<A> != Complete<B>) return true;  // handles: ours have an inside
      if constexpr (Complete<A> && Complete<B>) {
        return sizeof(A) == sizeof(B) && std::is_const_v<A> == std::is_const_v<B> &&
               std::is_pointer_v<A> == std::is_pointer_v<B>;
      }
      return true;
    }
  } else {
    return sizeof(Ours) == sizeof(Theirs);
  }
}

template <typename Ours, typename Theirs>
struct CalledAlike : std::false_type {};
template <typename R, typename... A, typename S, typename... B>
requires(sizeof...(A) == sizeof...(B)) struct CalledAlike<R(A...), S(B...)>
    : std::bool_constant<PassedAlike<R, S>() && (PassedAlike<A, B>() && ...)> {
};

}  // namespace tranche::tests

// Both in the namespace of ours; `theirs` is a function, a type or a value of the header's.
#define CHECK_CALL(theirs, ...)                                                                    \
  static_assert(                                                                                   \
      ::tranche::tests::CalledAlike<__VA_ARGS__, std::remove_pointer_t<decltype(&theirs)>>::value, \
      #theirs);
#define CHECK_SIZE(ours, theirs) static_assert(sizeof(ours) == sizeof(theirs), #ours)
#define CHECK_FIELD(ours, field, theirs, their_field)                                       \
  static_assert(                                                                            \
      offsetof(ours, field) == offsetof(theirs, their_field) &&                             \
          sizeof(std::declval<ours>().field) == sizeof(std::declval<theirs>().their_field), \
      #ours "." #field)
#define CHECK_VALUE(ours, theirs) \
  static_assert(static_cast<long long>(ours) == static_cast<long long>(theirs), #ours)
