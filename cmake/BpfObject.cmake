# SPDX-License-Identifier: GPL-2.0-only
#
# mus_add_bpf_object(<target> SOURCE <file.bpf.c> [DEPENDS <header>...] [INCLUDES <dir>...])
#
#   Compiles SOURCE with clang for the BPF target, strips DWARF (BTF stays) and embeds the object in a static
#   library <target>. A C++ program that links it reads the object between two symbols:
#
#     extern "C" {
#     [[gnu::visibility("hidden")]] extern const unsigned char <target>_start[];
#     [[gnu::visibility("hidden")]] extern const unsigned char <target>_end[];
#     }
#
#   in .rodata, aligned to 16 bytes (libbpf reads ELF headers in place).
#
#   The object itself is left in the current binary directory as <name>.bpf.o; its path is the target property
#   MUS_BPF_OBJECT. Neither bpftool nor a vmlinux.h nor a running kernel takes part in the build.
#
# mus_find_bpf_clang(<problem>): sets MUS_BPF_CLANG in the cache, or <problem> to why there is none.

set(MUS_BPF_CLANG_MINIMUM 16)
set(MUS_BPF_EXTRA_FLAGS "" CACHE STRING "Further flags for the BPF compiler, separated by semicolons")

# clang that is new enough and has the BPF target. A compiler given by the user is checked, never replaced.
function(mus_find_bpf_clang problem)
  set(${problem} "" PARENT_SCOPE)
  set(names clang-19 clang-20 clang-21 clang-22 clang-23 clang-18 clang-17 clang-16 clang)
  if(MUS_BPF_CLANG)
    set(names ${MUS_BPF_CLANG})
  endif()
  set(rejected "")
  foreach(name IN LISTS names)
    find_program(candidate NAMES ${name} NO_CACHE)
    if(candidate)
      execute_process(COMMAND ${candidate} --version OUTPUT_VARIABLE text ERROR_QUIET)
      string(REGEX MATCH "version ([0-9]+)[.0-9]*" ignored "${text}")
      set(version "${CMAKE_MATCH_1}")
      execute_process(COMMAND ${candidate} --print-targets OUTPUT_VARIABLE targets ERROR_QUIET)
      if(version STREQUAL "")
        list(APPEND rejected "${name} does not run")
      elseif(version LESS MUS_BPF_CLANG_MINIMUM)
        list(APPEND rejected "${name} is ${version}")
      elseif(NOT targets MATCHES "[ \t]bpf[ \t]")
        list(APPEND rejected "${name} has no BPF target")
      else()
        set(MUS_BPF_CLANG ${candidate} CACHE FILEPATH "clang that compiles bpf/" FORCE)
        return()
      endif()
    endif()
    unset(candidate)
  endforeach()
  set(text "none found")
  if(rejected)
    list(JOIN rejected ", " text)
  elseif(MUS_BPF_CLANG)
    set(text "no ${MUS_BPF_CLANG}")
  endif()
  set(${problem} "${text}" PARENT_SCOPE)
endfunction()

# The stripper that came with the compiler, else a plain one, else nothing: DWARF only costs space.
function(mus_find_bpf_strip)
  file(REAL_PATH ${MUS_BPF_CLANG} real)
  get_filename_component(folder ${real} DIRECTORY)
  string(REGEX MATCH "-[0-9]+$" suffix ${MUS_BPF_CLANG})
  find_program(MUS_BPF_STRIP NAMES llvm-strip NAMES_PER_DIR HINTS ${folder} NO_DEFAULT_PATH
               DOC "llvm-strip for the BPF object")
  find_program(MUS_BPF_STRIP NAMES llvm-strip${suffix} llvm-strip)
endfunction()

# The name that libbpf's bpf_tracing.h has for this architecture.
function(mus_bpf_target_arch out)
  set(arch ${CMAKE_SYSTEM_PROCESSOR})
  if(arch MATCHES "^(x86_64|AMD64|amd64|i[3-6]86)$")
    set(arch x86)
  elseif(arch MATCHES "^(aarch64|arm64)$")
    set(arch arm64)
  elseif(arch MATCHES "^arm")
    set(arch arm)
  elseif(arch MATCHES "^riscv")
    set(arch riscv)
  elseif(arch MATCHES "^(ppc|powerpc)")
    set(arch powerpc)
  elseif(arch MATCHES "^s390")
    set(arch s390)
  elseif(arch MATCHES "^loongarch")
    set(arch loongarch)
  endif()
  set(${out} ${arch} PARENT_SCOPE)
endfunction()

function(mus_add_bpf_object target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "SOURCE" "DEPENDS;INCLUDES")
  if(NOT arg_SOURCE OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "mus_add_bpf_object(<target> SOURCE <file.bpf.c> [DEPENDS ...] [INCLUDES ...])")
  endif()
  get_filename_component(source ${arg_SOURCE} ABSOLUTE)
  get_filename_component(name ${source} NAME_WLE)  # mus.bpf.c -> mus.bpf
  set(full ${CMAKE_CURRENT_BINARY_DIR}/${name}.debug.o)
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.o)
  mus_bpf_target_arch(arch)

  set(flags
    -target bpf -mcpu=v3 -O2 -g -std=gnu11
    -Wall -Wextra -Wno-unused-parameter  # BPF_PROG() gives each program a ctx, and callbacks have fixed parameters
    -fms-extensions -Wno-microsoft-anon-tag  # kernels from 7.x on need it, and so do our cut-outs of their structs
    -D__TARGET_ARCH_${arch}
    -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=
    -fdebug-compilation-dir=.)
  if(MUS_WERROR)
    list(APPEND flags -Werror)
  endif()
  foreach(folder IN LISTS arg_INCLUDES)
    list(APPEND flags -I${folder})
  endforeach()
  foreach(folder IN LISTS LIBBPF_INCLUDE_DIRS)
    list(APPEND flags -isystem ${folder})
  endforeach()
  if(CMAKE_LIBRARY_ARCHITECTURE AND IS_DIRECTORY /usr/include/${CMAKE_LIBRARY_ARCHITECTURE})
    # <linux/types.h> includes <asm/types.h>, which multiarch systems keep in the host's own folder.
    list(APPEND flags -idirafter /usr/include/${CMAKE_LIBRARY_ARCHITECTURE})
  endif()
  list(APPEND flags ${MUS_BPF_EXTRA_FLAGS})

  add_custom_command(
    OUTPUT ${full}
    COMMAND ${MUS_BPF_CLANG} ${flags} -MD -MF ${full}.d -MT ${full} -c ${source} -o ${full}
    DEPENDS ${source} ${arg_DEPENDS}
    DEPFILE ${full}.d
    COMMENT "Building BPF object ${name}.o"
    COMMAND_EXPAND_LISTS VERBATIM)

  mus_find_bpf_strip()
  if(MUS_BPF_STRIP)
    set(finish ${MUS_BPF_STRIP} -g ${full} -o ${object})
  else()
    set(finish ${CMAKE_COMMAND} -E copy ${full} ${object})
  endif()
  add_custom_command(OUTPUT ${object} COMMAND ${finish} DEPENDS ${full}
                     COMMENT "Stripping BPF object ${name}.o" VERBATIM)

  set(MUS_EMBED_SYMBOL ${target})
  set(MUS_EMBED_FILE ${object})
  set(assembly ${CMAKE_CURRENT_BINARY_DIR}/${target}.S)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/embed.S.in ${assembly} @ONLY)
  set_source_files_properties(${assembly} PROPERTIES OBJECT_DEPENDS ${object})
  add_library(${target} STATIC ${assembly})
  set_target_properties(${target} PROPERTIES MUS_BPF_OBJECT ${object} LINKER_LANGUAGE CXX)
endfunction()
