# SPDX-License-Identifier: GPL-2.0-only
#
# Target mus_version: `#include "version.h"` gives MUS_VERSION_STRING, e.g. "0.1.0" or "0.1.0+g1a2b3c4d5e6f".

set(MUS_GIT_HASH "")
find_package(Git QUIET)
if(Git_FOUND AND EXISTS ${PROJECT_SOURCE_DIR}/.git)
  execute_process(
    COMMAND ${GIT_EXECUTABLE} rev-parse --short=12 --verify HEAD
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
    OUTPUT_VARIABLE MUS_GIT_HASH OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  # A new commit or another branch: configure again, so that the hash is never an old one.
  execute_process(
    COMMAND ${GIT_EXECUTABLE} rev-parse --git-path logs/HEAD
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
    OUTPUT_VARIABLE mus_git_log OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  get_filename_component(mus_git_log "${mus_git_log}" ABSOLUTE BASE_DIR ${PROJECT_SOURCE_DIR})
  if(EXISTS ${mus_git_log})
    set_property(DIRECTORY ${PROJECT_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${mus_git_log})
  endif()
endif()

set(MUS_VERSION_STRING ${PROJECT_VERSION})
if(MUS_GIT_HASH)
  string(APPEND MUS_VERSION_STRING "+g${MUS_GIT_HASH}")
endif()
configure_file(${PROJECT_SOURCE_DIR}/cmake/version.h.in ${PROJECT_BINARY_DIR}/generated/version.h @ONLY)

add_library(mus_version INTERFACE)
target_include_directories(mus_version INTERFACE ${PROJECT_BINARY_DIR}/generated)
