import {
  convertCssVariables,
  DEFAULT_THEME,
  defaultCssVariablesResolver,
  mergeMantineTheme,
} from '@mantine/core';
import type { Plugin } from 'vite';
import { resolver, theme } from './theme.ts';

const NAME = 'virtual:theme.css';

/**
 * Turns the theme into a style sheet when the console is built.
 *
 * Mantine would write the same variables into a <style> element in the browser, which a content
 * security policy without 'unsafe-inline' refuses.
 */
export function themeCss(): Plugin {
  return {
    name: 'farebox-theme-css',
    resolveId: (id) => (id === NAME ? `\0${NAME}` : undefined),
    load: (id) => (id === `\0${NAME}` ? css() : undefined),
  };
}

function css(): string {
  const merged = mergeMantineTheme(DEFAULT_THEME, theme);
  const base = defaultCssVariablesResolver(merged);
  const own = resolver(merged);
  return convertCssVariables(
    {
      variables: { ...base.variables, ...own.variables },
      light: { ...base.light, ...own.light },
      dark: { ...base.dark, ...own.dark },
    },
    ':root',
  );
}
