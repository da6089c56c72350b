# weir_layer(NAME [DEPENDS layer...] [LINK target...] [PRIVATE_LINK target...])
#
# One folder is one layer is one library. Its sources are every .cpp in the folder, its headers are
# reached as <weir/NAME/...> through build/include/NAME/weir/NAME, a link to the folder. A layer
# exports only its own include directory, so including a header of a layer that is not among DEPENDS
# (directly or through them) does not compile.
function(weir_layer name)
  cmake_parse_arguments(arg "" "" "DEPENDS;LINK;PRIVATE_LINK" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${name}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/inspect/") # a program of its own
  add_library(weir_${name} STATIC ${sources})
  add_library(weir::${name} ALIAS weir_${name})
  set(include_root ${PROJECT_BINARY_DIR}/include/${name})
  file(MAKE_DIRECTORY ${include_root}/weir)
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${name} ${include_root}/weir/${name} SYMBOLIC)
  target_include_directories(weir_${name} PUBLIC
    $<BUILD_INTERFACE:${include_root}> $<INSTALL_INTERFACE:include>)
  target_compile_features(weir_${name} PUBLIC cxx_std_20)
  foreach(layer IN LISTS arg_DEPENDS)
    target_link_libraries(weir_${name} PUBLIC weir_${layer})
  endforeach()
  target_link_libraries(weir_${name} PUBLIC ${arg_LINK} PRIVATE ${arg_PRIVATE_LINK}
    $<BUILD_INTERFACE:weir_warnings>)
  set_target_properties(weir_${name} PROPERTIES EXPORT_NAME ${name} POSITION_INDEPENDENT_CODE ON)
  install(TARGETS weir_${name} EXPORT weir ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${name}/ DESTINATION include/weir/${name}
    FILES_MATCHING PATTERN "*.hpp" PATTERN inspect EXCLUDE)
endfunction()

# weir_program(NAME FOLDER LINK layer...)
#
# A program of every .cpp in the folder, build/bin/NAME. Installed beside the libraries.
function(weir_program name folder)
  cmake_parse_arguments(arg "" "" "LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cpp)
  add_executable(${name}_program ${sources})
  set_target_properties(${name}_program PROPERTIES OUTPUT_NAME ${name}
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
  foreach(layer IN LISTS arg_LINK)
    target_link_libraries(${name}_program PRIVATE weir_${layer})
  endforeach()
  target_link_libraries(${name}_program PRIVATE weir_warnings)
  install(TARGETS ${name}_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()
