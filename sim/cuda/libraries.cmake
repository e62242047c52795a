# libcuda.so.1 once for each version of CUDA that sim/cuda/exports/exports.def knows: the same objects with the
# exports of that version. A node gets the newest that is not newer than its driver (sim/node/files.cc).
add_library(tranche_sim_cuda_parts OBJECT
  cuda/attributes.cc
  cuda/calls/array.cc
  cuda/calls/capture.cc
  cuda/calls/context.cc
  cuda/calls/copy.cc
  cuda/calls/device.cc
  cuda/calls/event.cc
  cuda/calls/fill.cc
  cuda/calls/function.cc
  cuda/calls/graph_exec.cc
  cuda/calls/graph_nodes.cc
  cuda/calls/graph_parameters.cc
  cuda/calls/graph_shape.cc
  cuda/calls/ipc.cc
  cuda/calls/launch.cc
  cuda/calls/library.cc
  cuda/calls/link.cc
  cuda/calls/managed.cc
  cuda/calls/mem_op.cc
  cuda/calls/memory.cc
  cuda/calls/module.cc
  cuda/calls/occupancy.cc
  cuda/calls/pointer.cc
  cuda/calls/pool.cc
  cuda/calls/pool_share.cc
  cuda/calls/primary.cc
  cuda/calls/stream.cc
  cuda/calls/virtual.cc
  cuda/code/jit.cc
  cuda/code/launch.cc
  cuda/code/modules.cc
  cuda/code/modules_attributes.cc
  cuda/code/occupancy.cc
  cuda/connection.cc
  cuda/contexts.cc
  cuda/copy.cc
  cuda/devices.cc
  cuda/exports/debugger.cc
  cuda/exports/errors.cc
  cuda/exports/lookup.cc
  cuda/exports/proc_address.cc
  cuda/exports/stubs.cc
  cuda/forms/physical.cc
  cuda/forms/pool.cc
  cuda/graph/capture.cc
  cuda/graph/exec.cc
  cuda/graph/graph.cc
  cuda/graph/memory.cc
  cuda/graph/nodes.cc
  cuda/graph/user_objects.cc
  cuda/host_thread.cc
  cuda/library.cc
  cuda/memory.cc
  cuda/streams.cc
  cuda/work.cc
  engine/hardware.cc
  node/find.cc
  node/state_reader.cc
  node/trouble.cc
  ptx/arithmetic.cc
  ptx/arithmetic_conversion.cc
  ptx/assembler.cc
  ptx/assembler_arithmetic.cc
  ptx/assembler_instructions.cc
  ptx/cost.cc
  ptx/cubin.cc
  ptx/fatbin.cc
  ptx/interpreter.cc
  ptx/lexer.cc
  ptx/opcodes.cc
  ptx/parser.cc
  ptx/read.cc
  ptx/statement_reader.cc
  ptx/statement_reader_declaration.cc)
target_sources(tranche_sim_cuda_parts PUBLIC FILE_SET HEADERS BASE_DIRS ${CMAKE_SOURCE_DIR} FILES
  cuda/abi.h
  cuda/abi/functions_device.h
  cuda/abi/functions_graph.h
  cuda/abi/functions_memory.h
  cuda/abi/functions_work.h
  cuda/abi/memory.h
  cuda/abi/types.h
  cuda/abi/values.h
  cuda/abi/work.h
  cuda/attributes.h
  cuda/capture.h
  cuda/code/jit.h
  cuda/code/launch.h
  cuda/code/modules.h
  cuda/code/occupancy.h
  cuda/connection.h
  cuda/contexts.h
  cuda/copy.h
  cuda/declarations.h
  cuda/devices.h
  cuda/export_table.h
  cuda/forms/physical.h
  cuda/forms/pool.h
  cuda/functions.h
  cuda/graph/capture.h
  cuda/graph/exec.h
  cuda/graph/graph.h
  cuda/graph/memory.h
  cuda/graph/user_objects.h
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
file(STRINGS ${CMAKE_CURRENT_SOURCE_DIR}/cuda/exports/exports.def rows REGEX "^(EXPORT|DATA)")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/cuda/exports/exports.def)
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
  tranche_add_driver_library(tranche_sim_cuda_${version} libcuda ${map} cuda/exports/version.cc)
  target_compile_definitions(tranche_sim_cuda_${version} PRIVATE TRANCHE_CUDA_VERSION=${version})
  target_link_libraries(tranche_sim_cuda_${version} PRIVATE tranche_sim_cuda_parts)
  set_target_properties(tranche_sim_cuda_${version} PROPERTIES OUTPUT_NAME libcuda-${version})
  add_dependencies(tranche_sim_cuda tranche_sim_cuda_${version})
endforeach()
