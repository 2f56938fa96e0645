import type { Report } from './report';

/** A cell that no spreadsheet takes for a formula, quoted where it has to be. */
export function cell(value: string | number): string {
  const text = typeof value === 'number' ? String(value) : value.replace(/^[=+\-@\t\r]/, "'$&");
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A report as CSV: a row for each day, a column for each series. */
export function csvOf(report: Report, nameOf: (series: string) => string): string {
  const head = ['day', ...report.series.map(nameOf)];
  const rows = report.days.map(({ day, values }) => [
    day,
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
