import AxeBuilder from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { expect } from './page.ts';

/**
 * A page fits the screen, and has no accessibility fault that axe can find. Axe takes its time: it
 * looks where a scheme and a width are new, and `isThorough` says so.
 */
export async function isSound(page: Page, where: string, isThorough: boolean): Promise<void> {
  const overflow = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  expect(overflow, `${where} is wider than the screen`).toBe(0);
  if (!isThorough) return;
  // The console has no frames; what axe does beside for those takes as long as all the rest.
  const { violations } = await new AxeBuilder({ page }).setLegacyMode().analyze();
  expect(violations.map(({ id, nodes }) => [id, nodes[0]?.html]), where).toEqual([]);
}
