# SPDX-License-Identifier: GPL-2.0-only
#
# Every public header must stand alone: each include/mus/*.h is compiled by itself, twice in a row (include
# guard), as C++23; abi.h also as C11 and as C++20, which is what it promises to tools of others.
# Part of `all`, so that a header that lacks an include stops the build that broke it.

function(mus_check_headers target language_extension)
  set(sources "")
  foreach(header IN LISTS ARGN)
    get_filename_component(name ${header} NAME)
    set(source ${PROJECT_BINARY_DIR}/header-checks/${target}/${name}.${language_extension})
    file(CONFIGURE OUTPUT ${source} CONTENT
"// SPDX-License-Identifier: GPL-2.0-only
#include <mus/${name}>
#include <mus/${name}>
typedef int mus_not_an_empty_file;
")
    list(APPEND sources ${source})
  endforeach()
  add_library(${target} OBJECT ${sources})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/include)
  if(TARGET Boost::headers)
    target_link_libraries(${target} PRIVATE Boost::headers)
  endif()
endfunction()

file(GLOB mus_public_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/mus/*.h)
if(mus_public_headers)
  mus_check_headers(mus_header_checks cc ${mus_public_headers})
endif()

set(mus_abi_header ${PROJECT_SOURCE_DIR}/include/mus/abi.h)
if(mus_abi_header IN_LIST mus_public_headers)
  mus_check_headers(mus_abi_header_check_c11 c ${mus_abi_header})
  mus_check_headers(mus_abi_header_check_cxx20 cc ${mus_abi_header})
  set_target_properties(mus_abi_header_check_cxx20 PROPERTIES CXX_STANDARD 20)
  if(NOT MUS_WERROR)
    # The ABI is what others compile with flags of their own: no warning is acceptable in it.
    target_compile_options(mus_abi_header_check_c11 PRIVATE -Werror)
  endif()
endif()
