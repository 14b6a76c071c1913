// Sums and lengths of latent vectors: Float32Arrays of one length, none of which is changed.

// What f gives of the numbers of one place: combined((a, b) => a + 2 * b, z, step).
export const combined = (f, one, two, three) => one.map((number, at) => f(number, two[at], three?.[at]));

export const mean = (zs) => zs[0].map((_, at) => zs.reduce((sum, z) => sum + z[at], 0) / zs.length);

export const scaled = (z, factor) => z.map((number) => number * factor);

export const dot = (a, b) => a.reduce((sum, number, at) => sum + number * b[at], 0);

export const length = (z) => Math.sqrt(dot(z, z));
