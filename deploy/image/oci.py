"""Layers, image and archive: the same bytes from the same tree, whenever and wherever it is packed."""

import gzip
import hashlib
import io
import json
import tarfile
import time


def timestamp(epoch):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))


def packed(tree, epoch):
    """A tree as an uncompressed tar archive: sorted, owned by root, of one time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, entry in tree.sorted():
            member = tarfile.TarInfo(path.lstrip("/"))
            member.mode, member.mtime = entry.mode, epoch
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            if entry.folder:
                member.type = tarfile.DIRTYPE
                archive.addfile(member)
            elif entry.link is not None:
                member.type, member.linkname = tarfile.SYMTYPE, entry.link
                archive.addfile(member)
            else:
                content = entry.content()
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def json_bytes(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


class Archive:
    """An OCI image layout in a tar archive, with the few lines that `docker load` wants as well."""

    def __init__(self):
        self.blobs = {}

    def blob(self, data, media_type):
        digest = hashlib.sha256(data).hexdigest()
        self.blobs[digest] = data
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    def add_layer(self, tar):
        """(descriptor, digest of what it unpacks to)"""
        squeezed = gzip.compress(tar, compresslevel=6, mtime=0)
        return (self.blob(squeezed, "application/vnd.oci.image.layer.v1.tar+gzip"),
                "sha256:" + hashlib.sha256(tar).hexdigest())

    def image(self, layers, config, *, name, tag, architecture, epoch, labels):
        """Writes config, manifest and index; the manifest's descriptor."""
        described = [self.add_layer(tar) for tar, _ in layers]
        history = [{"created": timestamp(epoch), "created_by": text} for _, text in layers]
        made = self.blob(json_bytes({
            "created": timestamp(epoch), "architecture": architecture, "os": "linux",
            "config": {**config, "Labels": labels},
            "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in described]},
            "history": history}), "application/vnd.oci.image.config.v1+json")
        manifest = self.blob(json_bytes({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": made,
            "layers": [layer for layer, _ in described], "annotations": labels}),
            "application/vnd.oci.image.manifest.v1+json")
        manifest["platform"] = {"architecture": architecture, "os": "linux"}
        manifest["annotations"] = {"org.opencontainers.image.ref.name": tag,
                                   "io.containerd.image.name": f"{name}:{tag}"}
        self.files = {
            "oci-layout": json_bytes({"imageLayoutVersion": "1.0.0"}),
            "index.json": json_bytes({"schemaVersion": 2,
                                      "mediaType": "application/vnd.oci.image.index.v1+json",
                                      "manifests": [manifest]}),
            "manifest.json": json_bytes([{"Config": blob_path(made), "RepoTags": [f"{name}:{tag}"],
                                          "Layers": [blob_path(layer) for layer, _ in described]}])}
        self.compressed = sum(layer["size"] for layer, _ in described)
        return manifest

    def write(self, path):
        members = {**self.files, **{f"blobs/sha256/{digest}": data for digest, data in self.blobs.items()}}
        with tarfile.open(path, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for folder in ("blobs", "blobs/sha256"):
                member = tarfile.TarInfo(folder)
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(member)
            for name, data in sorted(members.items()):
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(data), 0o644
                archive.addfile(member, io.BytesIO(data))


def blob_path(descriptor):
    return "blobs/sha256/" + descriptor["digest"].removeprefix("sha256:")
