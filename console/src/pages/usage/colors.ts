/** Colours that are told apart in both schemes, and by most who see few colours. */
const COLORS = [
  '#159a83',
  '#4c78c9',
  '#e0a12f',
  '#b4588f',
  '#6f8f2f',
  '#d2694b',
  '#5aa7c4',
  '#8a6fc0',
  '#9c8150',
  '#c2577a',
];

/** The colour of the many that have none of their own. */
export const REST_COLOR = '#7d8f8a';

/** The colour of the series at a place. */
export function colorOf(index: number): string {
  return COLORS[index % COLORS.length] ?? REST_COLOR;
}
