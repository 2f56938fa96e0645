import type { Report } from './report';

/** A cell that no spreadsheet takes for a formula, quoted where it has to be. */
export function cell(value: string | number): string {
  const text = typeof value === 'number' ? String(value) : value.replace(/^[=+\-@\t\r]/, "'$&");
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** When a bucket begins: as `2026-11-26`, or `2026-11-26T14:00Z`. */
function startOf(start: number, width: Report['width']): string {
  const iso = new Date(start * 1_000).toISOString();
  return width === 'day' ? iso.slice(0, 10) : `${iso.slice(0, 16)}Z`;
}

/** A report as CSV: a row for each day or hour, a column for each series. */
export function csvOf(report: Report, nameOf: (series: string) => string): string {
  const head = [report.width, ...report.series.map(nameOf)];
  const rows = report.buckets.map(({ start, values }) => [
    startOf(start, report.width),
    ...report.series.map((name) => values[name] ?? 0),
  ]);
  return [head, ...rows].map((row) => row.map(cell).join(',')).join('\r\n');
}

/** Hands a text to the browser as a file. */
export function download(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/csv' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}
