# SPDX-License-Identifier: GPL-2.0-only

foreach(program mus-userland musctl)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endforeach()

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/mus DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.h")

file(GLOB mus_documents CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/*.md)
install(FILES ${mus_documents} ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/LICENSES DESTINATION ${CMAKE_INSTALL_DOCDIR})
if(IS_DIRECTORY ${PROJECT_SOURCE_DIR}/docs)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs DESTINATION ${CMAKE_INSTALL_DOCDIR}
          FILES_MATCHING PATTERN "*.md" PATTERN "*.svg" PATTERN "*.png" PATTERN man EXCLUDE)
endif()

foreach(section 1 8)
  file(GLOB mus_man_pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/man/*.${section})
  if(mus_man_pages)
    install(FILES ${mus_man_pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
  endif()
endforeach()

# tools/completion: musctl or musctl.bash for bash, _musctl for zsh, musctl.fish for fish.
file(GLOB mus_completions CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tools/completion/*)
foreach(file IN LISTS mus_completions)
  get_filename_component(name ${file} NAME)
  if(name MATCHES "\\.fish$")
    install(FILES ${file} DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
  elseif(name MATCHES "^_")
    install(FILES ${file} DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
  elseif(name MATCHES "^[a-z-]+(\\.bash)?$")
    string(REGEX REPLACE "\\.bash$" "" name ${name})
    install(FILES ${file} DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME ${name})
  endif()
endforeach()

if(TARGET mus-userland)
  configure_file(${PROJECT_SOURCE_DIR}/tools/systemd/mus.service.in ${PROJECT_BINARY_DIR}/generated/mus.service @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/generated/mus.service DESTINATION lib/systemd/system)
endif()
