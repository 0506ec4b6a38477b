import { kernel, scalar, tf, type Tensor } from "./tensorflow";
import type { Operations } from "./operation-types";

/** The tanh approximation of GELU is x · sigmoid(a·x + b·x³), because ½(1 + tanh u) = sigmoid(2u). */
const GELU = { a: 2 * Math.sqrt(2 / Math.PI), b: 2 * Math.sqrt(2 / Math.PI) * 0.044715 };

/** a·x + b·x³ */
const geluArgument = (x: Tensor, square: Tensor): Tensor =>
  kernel.mul(x, kernel.add(kernel.scale(square, GELU.b), scalar(GELU.a)));

/** Sums over the first axis: of so many rows that one sum of all would be inaccurate, first in √N blocks. */
function sumOfRows(x: Tensor): Tensor {
  const [rows, size] = x.shape as [number, number];
  if (rows < 256) return kernel.sum(x, 0, false);
  const height = Math.floor(Math.sqrt(rows));
  const blocks = Math.floor(rows / height);
  const whole = kernel.slice(x, [0, 0], [blocks * height, size]);
  const parts = kernel.sum(kernel.reshape(whole, [blocks, height, size]), 1, false);
  const rest = kernel.slice(x, [blocks * height, 0], [rows - blocks * height, size]);
  return kernel.add(kernel.sum(parts, 0, false), kernel.sum(rest, 0, false));
}

/** Gradient of the input of RMSNorm, from the normalized input. */
function normInputGradient(dy: Tensor, normalized: Tensor, weight: Tensor, scale: Tensor): Tensor {
  const dNormalized = kernel.mul(dy, weight);
  const along = kernel.mean(kernel.mul(dNormalized, normalized), 1, true);
  return kernel.mul(kernel.sub(dNormalized, kernel.mul(normalized, along)), scale);
}

/** The operations composed of TensorFlow's own, for any device; see `Operations` for shapes and formulas. */
export const composed: Operations = {
  matMul(a, b, transposeA, transposeB, sum) {
    const product = kernel.matMul(a, b, transposeA, transposeB);
    return sum ? kernel.add(sum, product) : product;
  },
  rmsNorm(x, weight, epsilon) {
    const scale = kernel.rsqrt(kernel.add(kernel.mean(kernel.square(x), 1, true), epsilon));
    return { y: kernel.mul(kernel.mul(x, scale), weight), scale };
  },
  rmsNormGradient(dy, x, weight, scale) {
    const normalized = kernel.mul(x, scale);
    const dWeight = kernel.sum(kernel.mul(dy, normalized), 0, false);
    return { dx: normInputGradient(dy, normalized, weight, scale), dWeight };
  },
  rmsNormInputGradient: (dy, x, weight, scale) => normInputGradient(dy, kernel.mul(x, scale), weight, scale),
  rotate(x, { cos, sin, headSize, rest }, back = false) {
    const [rows, size] = x.shape as [number, number];
    const half = cos.shape[1]!;
    const others = headSize - 2 * half;
    const heads = kernel.reshape(x, [rows, size / headSize, headSize]);
    const [c, s] = [cos, sin].map((table) => kernel.reshape(table, [rows, 1, half]));
    const [a, b, fixed] = kernel.split(heads, others === 0 ? [half, half] : [half, half, others], 2);
    const signed = back ? kernel.neg(s) : s;
    const rotated = [
      kernel.sub(kernel.mul(a, c), kernel.mul(b, signed)),
      kernel.add(kernel.mul(b, c), kernel.mul(a, signed)),
    ];
    const parts = others === 0 ? rotated : [...rotated, kernel.scale(fixed, rest)];
    return kernel.reshape(kernel.concat(parts, 2), [rows, size]);
  },
  swiglu: (gate, up) => kernel.mul(kernel.mul(gate, kernel.sigmoid(gate)), up),
  swigluGradient(dy, gate, up) {
    const sigmoid = kernel.sigmoid(gate);
    const silu = kernel.mul(gate, sigmoid);
    // d silu / d gate = s + silu · (1 − s)
    const slope = kernel.add(sigmoid, kernel.sub(silu, kernel.mul(silu, sigmoid)));
    return { dGate: kernel.mul(kernel.mul(dy, up), slope), dUp: kernel.mul(dy, silu) };
  },
  geglu: (gate, up) => kernel.mul(kernel.mul(gate, kernel.sigmoid(geluArgument(gate, kernel.square(gate)))), up),
  gegluGradient(dy, gate, up) {
    const square = kernel.square(gate);
    const argument = geluArgument(gate, square);
    const share = kernel.sigmoid(argument);
    const gelu = kernel.mul(gate, share);
    // d gelu / d gate = s + gelu · (1 − s) · (a + 3b·gate²), where 1 − sigmoid(z) is sigmoid(−z)
    const inner = kernel.add(kernel.scale(square, 3 * GELU.b), scalar(GELU.a));
    const slope = kernel.add(share, kernel.mul(kernel.mul(gelu, kernel.sigmoid(kernel.neg(argument))), inner));
    return { dGate: kernel.mul(kernel.mul(dy, up), slope), dUp: kernel.mul(dy, gelu) };
  },
  addBias: (x, bias) => kernel.add(x, bias),
  sumRows: sumOfRows,
  crossEntropy(logits, labels) {
    const losses = kernel.neg(kernel.pick(kernel.logSoftmax(logits), labels));
    return { losses, logSums: kernel.add(losses, kernel.pick(logits, labels)) };
  },
  crossEntropyGradient(logits, labels, logSums, coefficients) {
    const column = (x: Tensor) => kernel.reshape(x, [x.size, 1]);
    const factors = column(coefficients);
    const weighted = kernel.mul(kernel.exp(kernel.sub(logits, column(logSums))), factors);
    return kernel.sub(weighted, kernel.mul(kernel.oneHot(labels, logits.shape[1]!), factors));
  },
  addRows: (table, rows, ids) => kernel.add(table, kernel.scatterSum(rows, ids, table.shape[0])),
  accumulate: (sums, parts) => sums.map((sum, i) => kernel.add(sum, parts[i])),
  squaredSums(tensors) {
    const halves = tf.stack(tensors.map((x) => kernel.l2Loss(x)));
    return kernel.add(halves, halves);
  },
  adamW(parameters, m, v, gradients, { scale, beta1, beta2, learningRate, step, epsilon, weightDecay }) {
    const factors = tf.tidy(() => {
      const values = [
        scale,
        beta1,
        1 - beta1,
        beta2,
        1 - beta2,
        Math.sqrt(1 - beta2 ** step),
        epsilon,
        learningRate / (1 - beta1 ** step),
        1 - learningRate * weightDecay,
      ];
      return kernel.split(
        tf.tensor1d(values),
        values.map(() => 1),
        0,
      ); // one upload for all factors
    });
    const [clipping, decay1, rest1, decay2, rest2, correction, margin, rate, remaining] = factors;
    const updated = parameters.map((parameter, i) =>
      tf.tidy(() => {
        const gradient = kernel.mul(gradients[i], clipping);
        const first = kernel.add(kernel.mul(m[i], decay1), kernel.mul(gradient, rest1));
        const second = kernel.add(kernel.mul(v[i], decay2), kernel.mul(kernel.square(gradient), rest2));
        const denominator = kernel.add(kernel.div(kernel.sqrt(second), correction), margin);
        const change = kernel.div(kernel.mul(first, rate), denominator);
        return [kernel.sub(kernel.mul(parameter, remaining), change), first, second];
      }),
    );
    tf.dispose(factors);
    return {
      weights: updated.map(([parameter]) => parameter),
      m: updated.map(([, first]) => first),
      v: updated.map(([, , second]) => second),
    };
  },
};
