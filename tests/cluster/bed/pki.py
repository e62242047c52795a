"""Keys and certificates of a test cluster, made with openssl."""

import base64
import subprocess


class Authority:
    """A certificate authority in a folder, and what it has signed there: NAME.crt, NAME.key."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(mode=0o700)
        self.certificate = folder / "ca.crt"
        self._key("ca")
        self._openssl("req", "-x509", "-new", "-key", "ca.key", "-subj", "/CN=tranche-cluster", "-days", "30",
                      "-addext", "basicConstraints=critical,CA:TRUE", "-addext",
                      "keyUsage=critical,keyCertSign,cRLSign", "-out", "ca.crt")

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, timeout=30,
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def _key(self, name):
        self._openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key")

    def sign(self, name, common_name, organization=None, addresses=()):
        """NAME.crt and NAME.key, for a client, and for a server at `addresses` ("DNS:x", "IP:y")."""
        subject = (f"/O={organization}" if organization else "") + f"/CN={common_name}"
        self._key(name)
        self._openssl("req", "-new", "-key", f"{name}.key", "-subj", subject, "-out", f"{name}.csr")
        extensions = ["keyUsage=critical,digitalSignature", "extendedKeyUsage=clientAuth,serverAuth"]
        if addresses:
            extensions.append("subjectAltName=" + ",".join(addresses))
        (self.folder / f"{name}.ext").write_text("\n".join(extensions) + "\n")
        self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
                      "-CAcreateserial", "-days", "30", "-extfile", f"{name}.ext", "-out", f"{name}.crt")
        return self.folder / f"{name}.crt", self.folder / f"{name}.key"

    def key_pair(self, name):
        """NAME.key and NAME.pub: what service-account tokens are signed with."""
        self._key(name)
        self._openssl("ec", "-in", f"{name}.key", "-pubout", "-out", f"{name}.pub")
        return self.folder / f"{name}.key", self.folder / f"{name}.pub"

    def kubeconfig(self, path, server, name):
        """A kubeconfig for a client signed here; everything in the one file."""
        def data(file):
            return base64.b64encode((self.folder / file).read_bytes()).decode()
        path.write_text(f"""apiVersion: v1
kind: Config
clusters:
- name: tranche-cluster
  cluster: {{server: "{server}", certificate-authority-data: {data('ca.crt')}}}
users:
- name: {name}
  user: {{client-certificate-data: {data(name + '.crt')}, client-key-data: {data(name + '.key')}}}
contexts:
- name: {name}
  context: {{cluster: tranche-cluster, user: {name}}}
current-context: {name}
""")
        path.chmod(0o600)
        return path
