# SPDX-License-Identifier: GPL-2.0-only
#
# mus_add_vm_test(NAME <name> SCRIPT <file> [ARGS <arg>...] [KERNEL <series>] [TIMEOUT <seconds>] [UNTIMED])
#
#   Registers tests/vm/<file> with ctest under the label `vm`. It boots a virtual machine with a real kernel
#   of that series and finds in its environment:
#
#     MUS_SOURCE_DIR  the source tree
#     MUS_BUILD_DIR   this build tree; the programs are in its bin/
#     MUS_KERNEL      the series asked for, e.g. 6.18; empty: the script chooses
#     MUS_FULL        1 with the option MUS_FULL_TESTS: as often and as long as docs/reliability.md says; else empty
#
#   Exit status 77 is a skip (no QEMU, no kernel image): the script says why. One VM at a time, and nothing else: they would
#   measure each other. With --virtual-time among ARGS it does not matter what else runs: such a VM takes one CPU. Nor does it to a test that
#   is UNTIMED: it judges nothing that depends on how fast the VM is.

function(mus_add_vm_test)
  cmake_parse_arguments(PARSE_ARGV 0 arg "UNTIMED" "NAME;SCRIPT;KERNEL;TIMEOUT" "ARGS")
  if(NOT arg_NAME OR NOT arg_SCRIPT OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "mus_add_vm_test(NAME <name> SCRIPT <file> [KERNEL <series>] [TIMEOUT <seconds>] [UNTIMED])")
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 600)
  endif()
  set(full "")
  if(MUS_FULL_TESTS)
    set(full 1)
    set(arg_TIMEOUT 7200)
  endif()
  set(script ${PROJECT_SOURCE_DIR}/tests/vm/${arg_SCRIPT})
  if(NOT EXISTS ${script})
    message(FATAL_ERROR "mus_add_vm_test(${arg_NAME}): there is no tests/vm/${arg_SCRIPT}")
  endif()
  add_test(NAME ${arg_NAME} COMMAND ${script} ${arg_ARGS} WORKING_DIRECTORY ${PROJECT_BINARY_DIR})
  set_tests_properties(${arg_NAME} PROPERTIES
    LABELS vm
    ENVIRONMENT
      "MUS_SOURCE_DIR=${PROJECT_SOURCE_DIR};MUS_BUILD_DIR=${PROJECT_BINARY_DIR};MUS_KERNEL=${arg_KERNEL};MUS_FULL=${full}"
    TIMEOUT ${arg_TIMEOUT}
    PROCESSORS 1
    SKIP_RETURN_CODE 77)
  if(NOT arg_UNTIMED AND NOT "--virtual-time" IN_LIST arg_ARGS)
    set_tests_properties(${arg_NAME} PROPERTIES PROCESSORS 2 RESOURCE_LOCK vm)
  endif()
endfunction()
