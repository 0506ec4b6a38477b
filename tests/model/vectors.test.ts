import assert from "node:assert/strict";
import test from "node:test";
import { tf, vectors, vectorsInOnePiece } from "../../lib/model/tensorflow";

test("arrays that are copied in one piece become the same tensors", () => {
  const arrays = [
    Int32Array.from({ length: 17 }, (_, i) => i - 3),
    Float32Array.of(1.5, -0, 3e-45, NaN, -Infinity),
    Int32Array.of(0x7fc00001, 2 ** 31 - 1, -(2 ** 31)), // bits of a NaN
    Int32Array.from({ length: 40 }, (_, i) => i).subarray(7, 23),
    Float32Array.of(7),
  ];
  tf.tidy(() => {
    const tensors = vectorsInOnePiece(arrays);
    assert.deepEqual(
      tensors.map((tensor) => [tensor.dtype, tensor.dataSync()]),
      vectors(arrays).map((tensor) => [tensor.dtype, tensor.dataSync()]),
    );
    assert.deepEqual(
      tensors.map((tensor) => tensor.dataSync()),
      arrays.map((array) => array.slice()),
    );
  });
});
