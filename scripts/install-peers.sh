#!/bin/sh
# Installs the Debian packages that the peer, browser and training tests speak to: DICOM peers, validators, a browser, PyTorch.
# Run as root, or by somebody who may use sudo.
set -eu
packages="dcmtk orthanc orthanc-dicomweb dicom3tools pixelmed-apps default-jre-headless libgdcm-tools chromium libvulkan1 fonts-dejavu-core python3 python3-pydicom util-linux xz-utils python3-numpy python3-pil python3-yaml python3-scipy python3-matplotlib python3-sklearn python3-torch python3-torchvision python3-onnx python3-tqdm python3-pytest"
missing=""
for package in $packages; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done
if [ -z "$missing" ]; then
  echo "peers: all installed"
  exit 0
fi
as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -q
# Orthanc's package starts a service of its own; the tests start theirs, so it must not come up (invoke-rc.d asks policy-rc.d).
$as_root apt-get install -y -q --no-install-recommends $missing
