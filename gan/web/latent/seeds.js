// From a seed to its latent vector, the same numbers as in Python: gan/sampling.py tells how, tests/seed_vectors.json
// holds both to it.
const LOW = 0xffff;

// Philox4x32-10 of the counter (block, 0, 0, 0) and the key (seed, 0): four words of 32 bits.
export function philox(seed, block) {
  let [c0, c1, c2, c3] = [block, 0, 0, 0];
  let [k0, k1] = [seed, 0];
  for (let round = 0; round < 10; round++) {
    [c0, c1, c2, c3] = [
      high(c2, 0xcd9e8d57) ^ c1 ^ k0,
      Math.imul(c2, 0xcd9e8d57),
      high(c0, 0xd2511f53) ^ c3 ^ k1,
      Math.imul(c0, 0xd2511f53),
    ];
    k0 += 0x9e3779b9;
    k1 += 0xbb67ae85;
  }
  return [c0 >>> 0, c1 >>> 0, c2 >>> 0, c3 >>> 0];
}

// The upper 32 of the 64 bits of a product of words.
function high(a, b) {
  const [a1, a0, b1, b0] = [a >>> 16, a & LOW, b >>> 16, b & LOW];
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  return a1 * b1 + Math.floor(middle / 65536) + Math.floor((a0 * b1 + (middle & LOW)) / 65536);
}

// z of a seed, 0 to 2^32 - 1: Float32Array(z_dim). model: {z_dim, z_distribution: "normal" or "uniform"}.
export function latents({ z_dim, z_distribution }, seed) {
  const z = new Float32Array(z_dim);
  for (let at = 0; at < z_dim; at += 4) {
    const u = philox(seed, at / 4).map((word) => (word + 0.5) / 2 ** 32);
    z.set((z_distribution === "uniform" ? u.map((one) => 2 * one - 1) : normal(u)).slice(0, z_dim - at), at);
  }
  return z;
}

// Box-Muller.
function normal([u0, u1, u2, u3]) {
  const [r0, r1] = [Math.sqrt(-2 * Math.log(u0)), Math.sqrt(-2 * Math.log(u2))];
  const [a0, a1] = [2 * Math.PI * u1, 2 * Math.PI * u3];
  return [r0 * Math.cos(a0), r0 * Math.sin(a0), r1 * Math.cos(a1), r1 * Math.sin(a1)];
}
