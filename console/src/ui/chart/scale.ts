/** An axis from zero: where it ends, and the round numbers that are written on it. */
export interface Scale {
  end: number;
  ticks: number[];
}

/** Steps that people count in, times any power of ten. */
const STEPS = [1, 2, 2.5, 5, 10];

/** A scale that just holds `most`, with about `count` steps. Whole numbers only, if `isWhole`. */
export function scaleTo(most: number, count: number, isWhole: boolean): Scale {
  if (!(most > 0)) return { end: 1, ticks: [0] };
  const rough = most / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const least = STEPS.find((step) => step * power >= rough * (1 - 1e-9)) ?? 10;
  const step = isWhole ? Math.max(1, Math.ceil(least * power)) : least * power;
  const steps = Math.ceil(most / step - 1e-9);
  return {
    end: steps * step,
    // Multiplied and not summed up: 0.1 + 0.2 is no round number.
    ticks: Array.from({ length: steps + 1 }, (_, index) => Number((index * step).toPrecision(12))),
  };
}

/** Which of so many labels are written, so that they do not touch: every nth, from the first on. */
export function labelEvery(count: number, widthPx: number, labelPx: number): number {
  const fit = Math.max(1, Math.floor(widthPx / labelPx));
  return Math.max(1, Math.ceil(count / fit));
}

/** A piece of a stacked bar: from the top of what is under it to its own top, in the axis' unit. */
export interface Piece {
  id: string;
  from: number;
  to: number;
}

/** The pieces of a bar, the first series at the bottom. Empty ones are left out. */
export function stack(values: Record<string, number>, order: string[]): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (const id of order) {
    const value = values[id] ?? 0;
    if (value <= 0) continue;
    pieces.push({ id, from, to: from + value });
    from += value;
  }
  return pieces;
}
