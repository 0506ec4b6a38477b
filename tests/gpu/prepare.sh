#!/usr/bin/env bash
# Prepares what stand-in.test.ts needs:  bash tests/gpu/prepare.sh FOLDER  (needs a set-up checkout; 2 GB, a minute or two)
#
# FOLDER becomes a checkout with TensorFlow's GPU build, in which the CUDA libraries are stand-ins that lie where pip puts
# NVIDIA's. set-up then does its steps for a GPU there. FOLDER/driver has the stand-in driver.
set -euo pipefail
checkout="$(cd "$(dirname "$0")/../.." && pwd -P)"
mkdir -p "$1"
folder="$(cd "$1" && pwd -P)"
cd "$folder"

# TensorFlow's GPU build, without NVIDIA's libraries
version="$(sed -n 's/^const TENSORFLOW = "\(.*\)";$/\1/p' "$checkout/setup.mjs")"
python3 -m venv .venv
.venv/bin/pip install --quiet --disable-pip-version-check --no-deps "tensorflow==$version"
packages="$(echo "$folder"/.venv/lib/python3*/site-packages)"

# One library stands for all. TensorFlow has the names of the functions that it looks up in tables.
mkdir -p driver
strings -n 5 "$packages/tensorflow/libtensorflow_framework.so.2" | grep -E '^(__)?(cu|nvml|nccl)[A-Za-z0-9_]+$' |
  sort -u | sed 's/.*/__attribute__((weak)) int &(void) { return 0; }/' >driver/others.c
gcc -w -O1 -shared -fPIC "$checkout/tests/gpu/stand-in.c" driver/others.c -o driver/libcuda.so.1
ln -sf libcuda.so.1 driver/libnvidia-ml.so.1
for library in cublas/libcublas.so.12 cublas/libcublasLt.so.12 cuda_cupti/libcupti.so.12 cuda_runtime/libcudart.so.12 \
  cudnn/libcudnn.so.9 cufft/libcufft.so.11 cusolver/libcusolver.so.11 cusparse/libcusparse.so.12 nccl/libnccl.so.2; do
  mkdir -p "$packages/nvidia/${library%/*}/lib"
  ln -sf "$folder/driver/libcuda.so.1" "$packages/nvidia/${library%/*}/lib/${library#*/}"
done

# The checkout. Packages are hard links; set-up replaces the addon.
cp -r "$checkout"/{lib,kernel,package.json,package-lock.json,setup.mjs,tsconfig.json} .
if [ ! -e node_modules ]; then
  modules="$(realpath "$checkout/node_modules")"
  cp -al "$modules" node_modules 2>/dev/null || { rm -rf node_modules && cp -a "$modules" node_modules; }
fi
mkdir -p .setup
echo -n CUDA >.setup/build
touch .setup/npm .setup/python # installed: --quiet takes nothing from the network
node setup.mjs --quiet
