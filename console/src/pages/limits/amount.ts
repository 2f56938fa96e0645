/** What is wrong with an amount in USD, as the server has it. */
export function amountProblem(amount: string): string | null {
  return /^\s*\d{1,9}(\.\d{1,9})?\s*$/.test(amount) ? null : 'Type an amount such as 25 or 25.50.';
}
