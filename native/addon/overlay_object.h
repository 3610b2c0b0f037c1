#pragma once

#include <napi.h>

namespace skillbox {

// overlayChanges(upper: number, lower: number): Promise<{ entries: [{ path: Buffer, kind, type: string, size, mode: number }],
//   truncated: boolean, tooDeep: number }>
Napi::Value overlay_changes(const Napi::CallbackInfo& info);

// overlayCommit(upper: number, target: number, uid: number, gid: number): Promise<{ written, directories, deleted, modes, bytes:
//   number, refused: [{ path: Buffer, reason: string, errno: number }], refusedUnlisted: number }>; uid and gid -1: as they come
Napi::Value overlay_commit(const Napi::CallbackInfo& info);

// tmpfsHasUserXattrs(): boolean
Napi::Value tmpfs_has_user_xattrs(const Napi::CallbackInfo& info);

}  // namespace skillbox
