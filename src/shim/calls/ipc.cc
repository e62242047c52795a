// Memory of one program that another opens by a handle of 64 bytes: its maker is charged, and the
// pod once that one is gone (wire/shares.h). The handle names the memory in both programs.
#include "shim/driver.h"
#include "shim/share.h"
#include "shim/walls.h"

namespace tranche::shim {
namespace {

template <typename Call>
Result Open(DevicePtr* dptr, const IpcHandle& handle, Call call) {
  Program* program = ThisProgram();
  if (program == nullptr || program->attachment.load() == nullptr) return call();
  const unsigned share = NoteImport(*program, KeyOf(&handle, sizeof handle));
  const Result result = call();
  Record unused;
  // Opened once more, it has the same address.
  if (result != kSuccess || program->table.Change(Kind::kImport, *dptr, 1, &unused) > 0) {
    DropImport(*program, share);
    return result;
  }
  if (share == 0) return result;
  Remember(*program, {.kind = Kind::kImport,
                      .handle = *dptr,
                      .bytes = 0,
                      .device = kNoWall,
                      .owner = CurrentContext(),
                      .share = share});
  return result;
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuIpcGetMemHandle(IpcHandle* handle, DevicePtr dptr) {
  const Result result = TRANCHE_REAL(cuIpcGetMemHandle, handle, dptr);
  Program* program = ThisProgram();
  if (result == kSuccess && program != nullptr) {
    NoteExport(*program, Kind::kAddress, dptr, KeyOf(handle, sizeof *handle));
  }
  return result;
}

Result cuIpcOpenMemHandle(DevicePtr* dptr, IpcHandle handle, unsigned flags) {
  return Open(dptr, handle, [&] { return TRANCHE_REAL(cuIpcOpenMemHandle, dptr, handle, flags); });
}
Result cuIpcOpenMemHandle_v2(DevicePtr* dptr, IpcHandle handle, unsigned flags) {
  return Open(dptr, handle,
              [&] { return TRANCHE_REAL(cuIpcOpenMemHandle_v2, dptr, handle, flags); });
}

Result cuIpcCloseMemHandle(DevicePtr dptr) {
  Program* program = ThisProgram();
  Record record;
  const int left =
      program == nullptr ? -1 : program->table.Change(Kind::kImport, dptr, -1, &record);
  const Result result = TRANCHE_REAL(cuIpcCloseMemHandle, dptr);
  if (left < 0) return result;
  if (result == kSuccess) {
    if (left == 0) GiveBack(*program, record);
  } else if (left == 0) {
    Remember(*program, record);
  } else {
    program->table.Change(Kind::kImport, dptr, 1, &record);
  }
  return result;
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::shim
