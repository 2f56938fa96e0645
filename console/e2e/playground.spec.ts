import { expect, NEEDS_SERVER, test } from './page.ts';
import { signIn } from './people.ts';

test.skip(NEEDS_SERVER.isMissing, NEEDS_SERVER.why);

test('the playground streams an answer and says what it cost', async ({ page }) => {
  await signIn(page);
  await page.goto('/playground');
  await page.getByRole('button', { name: 'Send' }).click();
  await expect(page.getByRole('log', { name: 'Answer' })).toHaveText('Hello, World!');
  await expect(page.getByText('10 tokens in, 4 out')).toBeVisible();
  await expect(page.getByText(/cost \$0\.000018/)).toBeVisible();
});
