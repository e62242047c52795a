"""The image's bill of materials, as SPDX 2.3."""

import hashlib
import json
import re
import urllib.parse


def identifier(name):
    return "SPDXRef-" + re.sub("[^A-Za-z0-9.-]", "-", name)


def package_of(package, distribution):
    purl = (f"pkg:deb/debian/{urllib.parse.quote(package.name)}@{urllib.parse.quote(package.version)}"
            f"?arch={package.architecture}&distro={distribution}")
    return {"SPDXID": identifier(package.name), "name": package.name, "versionInfo": package.version,
            "supplier": "Organization: Debian", "sourceInfo": f"built from the Debian source {package.source}",
            "downloadLocation": "NOASSERTION", "filesAnalyzed": False,
            "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION",
            "licenseComments": f"/usr/share/doc/{package.name}/copyright in the image",
            "copyrightText": "NOASSERTION",
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                              "referenceLocator": purl}]}


def document(version, packages, inside, program_sha256, created, distribution="bookworm"):
    """JSON bytes. `inside`: names of packages that are in the program, not beside it."""
    ours = {"SPDXID": "SPDXRef-tranche", "name": "tranche", "versionInfo": version,
            "downloadLocation": "NOASSERTION", "filesAnalyzed": False, "licenseConcluded": "NOASSERTION",
            "licenseDeclared": "NOASSERTION", "copyrightText": "NOASSERTION",
            "primaryPackagePurpose": "CONTAINER",
            "checksums": [{"algorithm": "SHA256", "checksumValue": program_sha256}],
            "comment": "The checksum is that of /usr/bin/tranche."}
    listed = [package_of(package, distribution) for _, package in sorted(packages.of_name.items())]
    relations = [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES",
                  "relatedSpdxElement": "SPDXRef-tranche"}]
    for name in sorted(packages.of_name):
        relations.append({"spdxElementId": "SPDXRef-tranche",
                          "relationshipType": "STATIC_LINK" if name in inside else "CONTAINS",
                          "relatedSpdxElement": identifier(name)})
    body = {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
            "name": f"tranche-{version}", "packages": [ours, *listed], "relationships": relations}
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    body["documentNamespace"] = f"https://tranche.dev/spdx/tranche-{version}-{digest[:32]}"
    body["creationInfo"] = {"created": created, "creators": ["Tool: tranche-image-build"]}
    return (json.dumps(body, indent=1, sort_keys=True) + "\n").encode()
