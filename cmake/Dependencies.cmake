# SPDX-License-Identifier: GPL-2.0-only
#
# Looks for everything that mus is built from, then stops once, naming all that is missing and the Debian
# package that brings it.
#
# Targets: mus::libbpf, mus::concurrentqueue (#include <concurrentqueue.h>), Boost::headers, CLI11::CLI11,
# nlohmann_json::nlohmann_json, mus::rapidjson, mus::ncurses, ZLIB::ZLIB, Threads::Threads, GTest::gmock, GTest::gtest_main;
# optional: benchmark::benchmark_main.

set(MUS_LIBBPF_MINIMUM 1.4)
set(mus_missing "")

function(mus_missing what package)
  set(line "    ${what}")
  string(LENGTH "${line}" length)
  math(EXPR pad "52 - ${length}")
  if(pad GREATER 0)
    string(REPEAT " " ${pad} blanks)
    string(APPEND line "${blanks}")
  endif()
  set(mus_missing "${mus_missing}${line}  ${package}\n" PARENT_SCOPE)
endfunction()

# --- compiler for bpf/

mus_find_bpf_clang(mus_problem)
if(mus_problem)
  mus_missing("clang >= ${MUS_BPF_CLANG_MINIMUM} for BPF (${mus_problem})" "clang-19")
endif()

# --- libraries

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

find_package(PkgConfig QUIET)
if(NOT PKG_CONFIG_FOUND)
  mus_missing("pkg-config" "pkgconf")
  mus_missing("libbpf >= ${MUS_LIBBPF_MINIMUM} (not looked for without pkg-config)"
              "libbpf-dev (Debian 12: bookworm-backports)")
else()
  # Asked anew at each run: a cached answer would outlive an upgrade of the package.
  unset(LIBBPF_FOUND CACHE)
  unset(__pkg_config_checked_LIBBPF CACHE)
  pkg_check_modules(LIBBPF QUIET IMPORTED_TARGET libbpf)
  if(NOT LIBBPF_FOUND)
    mus_missing("libbpf >= ${MUS_LIBBPF_MINIMUM} (none found)" "libbpf-dev (Debian 12: bookworm-backports)")
  elseif(LIBBPF_VERSION VERSION_LESS MUS_LIBBPF_MINIMUM)
    mus_missing("libbpf >= ${MUS_LIBBPF_MINIMUM} (found ${LIBBPF_VERSION})"
                "libbpf-dev (Debian 12: bookworm-backports)")
  elseif(NOT MUS_STATIC_LIBBPF)
    add_library(mus::libbpf ALIAS PkgConfig::LIBBPF)
  else()
    find_library(MUS_LIBBPF_ARCHIVE NAMES libbpf.a HINTS ${LIBBPF_LIBRARY_DIRS} ${LIBBPF_LIBDIR})
    find_library(MUS_LIBELF NAMES elf)
    find_library(MUS_LIBZ NAMES z)
    if(NOT MUS_LIBBPF_ARCHIVE)
      mus_missing("libbpf.a (MUS_STATIC_LIBBPF)" "libbpf-dev (Debian 12: bookworm-backports)")
    endif()
    if(NOT MUS_LIBELF)
      mus_missing("libelf (MUS_STATIC_LIBBPF)" "libelf-dev")
    endif()
    if(NOT MUS_LIBZ)
      mus_missing("zlib (MUS_STATIC_LIBBPF)" "zlib1g-dev")
    endif()
    add_library(mus_libbpf_static INTERFACE)
    add_library(mus::libbpf ALIAS mus_libbpf_static)
    target_include_directories(mus_libbpf_static SYSTEM INTERFACE ${LIBBPF_INCLUDE_DIRS})
    target_link_libraries(mus_libbpf_static INTERFACE ${MUS_LIBBPF_ARCHIVE} ${MUS_LIBELF} ${MUS_LIBZ})
  endif()
endif()

find_package(Boost QUIET CONFIG)
find_path(MUS_BOOST_INTRUSIVE_DIR boost/intrusive/rbtree.hpp HINTS ${Boost_INCLUDE_DIRS})
if(NOT TARGET Boost::headers OR NOT MUS_BOOST_INTRUSIVE_DIR)
  mus_missing("Boost.Intrusive" "libboost-dev")
endif()

# Upstream and distributions put this one header in different folders.
find_path(MUS_CONCURRENTQUEUE_DIR concurrentqueue.h
  PATH_SUFFIXES concurrentqueue/moodycamel concurrentqueue moodycamel)
if(NOT MUS_CONCURRENTQUEUE_DIR)
  mus_missing("moodycamel::ConcurrentQueue" "libconcurrentqueue-dev")
else()
  add_library(mus_concurrentqueue INTERFACE)
  add_library(mus::concurrentqueue ALIAS mus_concurrentqueue)
  target_include_directories(mus_concurrentqueue SYSTEM INTERFACE ${MUS_CONCURRENTQUEUE_DIR})
endif()

find_package(CLI11 QUIET)
if(NOT TARGET CLI11::CLI11)
  mus_missing("CLI11" "libcli11-dev")
endif()

find_package(nlohmann_json QUIET)
if(NOT TARGET nlohmann_json::nlohmann_json)
  mus_missing("nlohmann-json" "nlohmann-json3-dev")
endif()

find_path(MUS_RAPIDJSON_DIR rapidjson/reader.h)
if(NOT MUS_RAPIDJSON_DIR)
  mus_missing("RapidJSON" "rapidjson-dev")
else()
  add_library(mus_rapidjson INTERFACE)
  add_library(mus::rapidjson ALIAS mus_rapidjson)
  target_include_directories(mus_rapidjson SYSTEM INTERFACE ${MUS_RAPIDJSON_DIR})
endif()

# --- musctl

# With wide characters: cgroups have names in any script.
set(CURSES_NEED_WIDE TRUE)
set(CURSES_NEED_NCURSES TRUE)
find_package(Curses QUIET)
if(NOT CURSES_FOUND)
  mus_missing("ncurses with wide characters" "libncurses-dev")
else()
  add_library(mus_ncurses INTERFACE)
  add_library(mus::ncurses ALIAS mus_ncurses)
  target_include_directories(mus_ncurses SYSTEM INTERFACE ${CURSES_INCLUDE_DIRS})
  target_compile_definitions(mus_ncurses INTERFACE ${CURSES_CFLAGS})
  target_link_libraries(mus_ncurses INTERFACE ${CURSES_LIBRARIES})
endif()

find_package(ZLIB QUIET)
if(NOT TARGET ZLIB::ZLIB)
  mus_missing("zlib" "zlib1g-dev")
endif()

if(BUILD_TESTING)
  find_package(GTest QUIET)
  if(NOT TARGET GTest::gtest_main)
    mus_missing("GoogleTest (or -DBUILD_TESTING=OFF)" "libgtest-dev")
  endif()
  if(NOT TARGET GTest::gmock)
    mus_missing("GoogleMock (or -DBUILD_TESTING=OFF)" "libgmock-dev")
  endif()
endif()

# --- all of it, at once

if(mus_missing)
  message(FATAL_ERROR
    "mus needs what is not installed here:\n"
    "    What                                              Debian package\n"
    "${mus_missing}"
    "  tools/setup installs all of it on Debian.\n")
endif()

# --- optional

find_package(benchmark QUIET)
find_package(Python3 QUIET COMPONENTS Interpreter)
