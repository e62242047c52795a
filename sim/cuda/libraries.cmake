# libcuda.so.1 once for each version of CUDA that sim/cuda/exports.def knows: the same objects with the
# exports of that version. A node gets the newest that is not newer than its driver (sim/node/files.cc).
add_library(tranche_sim_cuda_parts OBJECT
  cuda/attributes.cc
  cuda/calls/context.cc
  cuda/calls/copy.cc
  cuda/calls/device.cc
  cuda/calls/event.cc
  cuda/calls/fill.cc
  cuda/calls/mem_op.cc
  cuda/calls/memory.cc
  cuda/calls/pointer.cc
  cuda/calls/primary.cc
  cuda/calls/stream.cc
  cuda/capture.cc
  cuda/connection.cc
  cuda/contexts.cc
  cuda/copy.cc
  cuda/debugger.cc
  cuda/devices.cc
  cuda/errors.cc
  cuda/host_thread.cc
  cuda/library.cc
  cuda/lookup.cc
  cuda/memory.cc
  cuda/proc_address.cc
  cuda/streams.cc
  cuda/stubs.cc
  cuda/work.cc
  node/find.cc
  node/state_reader.cc
  node/trouble.cc)
target_sources(tranche_sim_cuda_parts PUBLIC FILE_SET HEADERS BASE_DIRS ${CMAKE_SOURCE_DIR} FILES
  cuda/abi.h
  cuda/abi_memory.h
  cuda/abi_types.h
  cuda/abi_values.h
  cuda/abi_work.h
  cuda/attributes.h
  cuda/capture.h
  cuda/connection.h
  cuda/contexts.h
  cuda/copy.h
  cuda/declarations.h
  cuda/devices.h
  cuda/export_table.h
  cuda/functions.h
  cuda/functions_device.h
  cuda/functions_graph.h
  cuda/functions_memory.h
  cuda/functions_work.h
  cuda/host_thread.h
  cuda/library.h
  cuda/lookup.h
  cuda/memory.h
  cuda/node.h
  cuda/objects.h
  cuda/streams.h
  cuda/work.h)
target_include_directories(tranche_sim_cuda_parts PUBLIC ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR})
target_compile_options(tranche_sim_cuda_parts PRIVATE -fno-rtti)
target_link_libraries(tranche_sim_cuda_parts PRIVATE tranche_options)
set_target_properties(tranche_sim_cuda_parts PROPERTIES POSITION_INDEPENDENT_CODE ON)

# Rows are EXPORT(name, base name, version, flavour, first driver) and DATA(name, bytes, first driver).
file(STRINGS ${CMAKE_CURRENT_SOURCE_DIR}/cuda/exports.def rows REGEX "^(EXPORT|DATA)")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/cuda/exports.def)
add_custom_target(tranche_sim_cuda)
foreach(version IN ITEMS 12020 12040 13050)
  set(names "")
  foreach(row IN LISTS rows)
    if(row MATCHES "^[A-Z]+\\(([A-Za-z0-9_]+),.* ([0-9]+)\\)$" AND NOT CMAKE_MATCH_2 GREATER version)
      string(APPEND names "    ${CMAKE_MATCH_1};\n")
    endif()
  endforeach()
  set(map ${CMAKE_CURRENT_BINARY_DIR}/cuda-${version}.map)
  file(CONFIGURE OUTPUT ${map} CONTENT "{\n  global:\n${names}  local: *;\n};\n")
  tranche_add_driver_library(tranche_sim_cuda_${version} libcuda ${map} cuda/version.cc)
  target_compile_definitions(tranche_sim_cuda_${version} PRIVATE TRANCHE_CUDA_VERSION=${version})
  target_link_libraries(tranche_sim_cuda_${version} PRIVATE tranche_sim_cuda_parts)
  set_target_properties(tranche_sim_cuda_${version} PROPERTIES OUTPUT_NAME libcuda-${version})
  add_dependencies(tranche_sim_cuda tranche_sim_cuda_${version})
endforeach()

# Programs on a node with a driver process, each opening the library as a program would.
tranche_add_test(sim_cuda_test
  SOURCES cuda/context_test.cc cuda/fault_test.cc cuda/memory_test.cc cuda/stream_test.cc
  DEPENDS tranche::sim tranche::sim_driver ${CMAKE_DL_LIBS})
add_dependencies(sim_cuda_test tranche_sim_home)
