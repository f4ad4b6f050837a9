# SPDX-License-Identifier: GPL-2.0-only
#
# Test script: the policy library must run where there is no kernel to talk to (unit tests, simulation), so
# it neither refers to libbpf nor links anything but Boost's headers.
#
#   cmake -DNM=nm -DARCHIVE=libmus_policy.a -DLINKS=<list> -P CheckNoLibbpf.cmake
#
# LINKS is separated by commas.

cmake_minimum_required(VERSION 3.25)

set(allowed Boost::headers)
set(bad "")

execute_process(COMMAND ${NM} --undefined-only --format=posix ${ARCHIVE}
                OUTPUT_VARIABLE symbols ERROR_VARIABLE errors RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${NM} ${ARCHIVE}: ${errors}")
endif()
string(REGEX MATCHALL "(^|\n)(bpf_|libbpf_|btf_|ring_buffer__|user_ring_buffer__)[^ \n]*" hits "${symbols}")
foreach(hit IN LISTS hits)
  string(STRIP "${hit}" hit)
  string(APPEND bad "\n  it refers to ${hit}")
endforeach()

string(REPLACE "," ";" links "${LINKS}")
list(REMOVE_DUPLICATES links)
foreach(link IN LISTS links)
  string(REGEX REPLACE "^\\$<LINK_ONLY:(.*)>$" "\\1" link "${link}")
  if(link AND NOT link IN_LIST allowed)
    string(APPEND bad "\n  it links ${link}")
  endif()
endforeach()

if(bad)
  message(FATAL_ERROR "mus_policy must stay free of the kernel interface, but:${bad}")
endif()
