# SPDX-License-Identifier: GPL-2.0-only
#
# Language level, warnings and sanitizers of every userspace target. The BPF object is compiled by
# BpfObject.cmake with flags of its own and is the same in each preset, sanitizers included.
#
# These are directory-wide options on purpose: there is no target of this project that should be without
# them, and link interfaces then list libraries and nothing else (see policy_library_has_no_libbpf).

include(CheckCXXSourceCompiles)

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

# std::expected. libstdc++ offers it only to a compiler that reports __cpp_concepts >= 202002L; clang up to
# 18 implements enough of concepts for it but reports less. and_then(), transform() and the like are not asked
# for: libstdc++ has them from 13 on only.
set(mus_expected_probe "
  #include <expected>
  std::expected<int, int> f(int i) { if (i) return std::unexpected(i); return 1; }
  int main() { return f(0).value_or(0); }")
check_cxx_source_compiles("${mus_expected_probe}" MUS_HAVE_STD_EXPECTED)
if(NOT MUS_HAVE_STD_EXPECTED)
  set(mus_expected_flags -Wno-builtin-macro-redefined -D__cpp_concepts=202002L)
  list(JOIN mus_expected_flags " " CMAKE_REQUIRED_FLAGS)
  check_cxx_source_compiles("${mus_expected_probe}" MUS_HAVE_STD_EXPECTED_WITH_CONCEPTS_MACRO)
  if(NOT MUS_HAVE_STD_EXPECTED_WITH_CONCEPTS_MACRO)
    unset(MUS_HAVE_STD_EXPECTED CACHE)
    unset(MUS_HAVE_STD_EXPECTED_WITH_CONCEPTS_MACRO CACHE)
    message(FATAL_ERROR
      "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION} with its standard library has no usable "
      "std::expected. mus needs g++ >= 12 or clang++ >= 16 with libstdc++ >= 12.")
  endif()
  foreach(flag IN LISTS mus_expected_flags)
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:${flag}>)
  endforeach()
endif()
unset(CMAKE_REQUIRED_FLAGS)

set(mus_warnings
  -Wall -Wextra -Wpedantic
  -Wshadow -Wconversion -Wdouble-promotion -Wformat=2 -Wcast-align -Wundef -Wimplicit-fallthrough
  # clang counts it into -Wconversion and gcc does not: left out for both, so that they agree.
  -Wno-sign-conversion
  # Structs here carry default member initialisers; naming only the fields that differ is the point.
  -Wno-missing-field-initializers)
set(mus_warnings_cxx -Wnon-virtual-dtor -Woverloaded-virtual -Wextra-semi -Wmissing-declarations)
if(MUS_WERROR)
  list(APPEND mus_warnings -Werror)
endif()
add_compile_options(
  "$<$<COMPILE_LANGUAGE:C,CXX>:${mus_warnings}>"
  "$<$<COMPILE_LANGUAGE:CXX>:${mus_warnings_cxx}>")

# No paths of the building machine in programs or messages.
add_compile_options(-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)

if(MUS_SANITIZE)
  add_compile_options(
    "$<$<COMPILE_LANGUAGE:C,CXX>:-fsanitize=${MUS_SANITIZE};-fno-sanitize-recover=all;-fno-omit-frame-pointer>")
  add_link_options(-fsanitize=${MUS_SANITIZE})
  if(MUS_SANITIZE MATCHES thread AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # ThreadSanitizer does not model atomic_thread_fence, which the queues use; gcc says so at each use.
    add_compile_options($<$<COMPILE_LANGUAGE:C,CXX>:-Wno-tsan>)
  endif()
  if(MUS_SANITIZE MATCHES address AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # gcc 12 takes members of its own std::regex for uninitialized once they are instrumented.
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-maybe-uninitialized>)
  endif()
endif()

# What decides is called from file to file for each event and each decision: those calls are inlined in what users run (pump/spin:
# 255 -> 239 ns, docs/decisions/0016). Tests link the same libraries as they were compiled, file by file: nothing is optimised anew at each link.
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_BUILD_TYPE MATCHES "^Rel" AND NOT MUS_SANITIZE)
  include(CheckIPOSupported)
  check_ipo_supported(RESULT MUS_LTO LANGUAGES C CXX)
endif()
if(MUS_LTO)
  add_link_options("$<$<NOT:$<BOOL:$<TARGET_PROPERTY:INTERPROCEDURAL_OPTIMIZATION>>>:-fno-lto>")
endif()

# mus_optimise_across_files(<target>): by link-time optimisation, where the compiler has it.
function(mus_optimise_across_files target)
  if(MUS_LTO)
    set_target_properties(${target} PROPERTIES INTERPROCEDURAL_OPTIMIZATION ON)
    target_compile_options(${target} PRIVATE -ffat-lto-objects)
  endif()
endfunction()
