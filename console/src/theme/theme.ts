import { createTheme, type CSSVariablesResolver, type MantineColorsTuple } from '@mantine/core';

/** The brand's green, from tint to shade. Shade 8 carries white text at 6:1. */
const fare: MantineColorsTuple = [
  '#e9faf6',
  '#d2f2ea',
  '#a3e5d6',
  '#6fd6bf',
  '#45c6ac',
  '#26b198',
  '#159a83',
  '#108371',
  '#0d6e63',
  '#095249',
];

/** Greys with the brand's green in them, for the dark scheme: from text to page. */
const dark: MantineColorsTuple = [
  '#e3eae8',
  '#c3cecb',
  '#9fafab',
  '#7d8f8a',
  '#3a4a46',
  '#2a3532',
  '#1e2927',
  '#161e1c',
  '#0f1514',
  '#0b100f',
];

export const theme = createTheme({
  colors: { fare, dark },
  primaryColor: 'fare',
  primaryShade: { light: 8, dark: 8 },
  defaultRadius: 'md',
  cursorType: 'pointer',
  fontFamily:
    'Inter, ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif',
  headings: { fontWeight: '650' },
  components: {
    Modal: {
      defaultProps: { closeButtonProps: { 'aria-label': 'Close' } },
      styles: { title: { fontSize: '1.125rem', fontWeight: 650 } },
    },
    // They are <header>s at the end of the page: a second banner of it, for those who hear it.
    ModalHeader: { defaultProps: { role: 'presentation' } },
    DrawerHeader: { defaultProps: { role: 'presentation' } },
  },
});

/**
 * Mantine's dimmed text and coloured text are too faint for WCAG AA on its own backgrounds.
 * These values give at least 4.5:1 on the page and on cards, in both schemes.
 */
export const resolver: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-body': '#fbfcfc',
    '--mantine-color-text': '#16211f',
    '--mantine-color-dimmed': '#52605d',
    '--mantine-color-anchor': 'var(--mantine-color-fare-8)',
    '--mantine-color-error': '#b3261e',
    '--mantine-color-placeholder': '#66736f',
    '--farebox-card': '#ffffff',
    '--farebox-line': '#dfe6e4',
    '--farebox-well': '#f3f6f5',
    '--farebox-good': '#0d6e63',
    '--farebox-bad': '#b3261e',
    '--farebox-waiting': '#7a5800',
    '--mantine-color-yellow-light-color': '#6b4d00',
    '--mantine-color-red-light-color': '#a3211a',
  },
  dark: {
    '--mantine-color-body': '#0f1514',
    '--mantine-color-text': '#e3eae8',
    '--mantine-color-dimmed': '#9fafab',
    '--mantine-color-anchor': 'var(--mantine-color-fare-3)',
    '--mantine-color-default': '#1e2927',
    '--mantine-color-default-hover': '#283431',
    '--mantine-color-default-border': '#34423e',
    '--mantine-color-error': '#ff9b91',
    '--mantine-color-placeholder': '#8d9b97',
    '--farebox-card': '#161e1c',
    '--farebox-line': '#2a3532',
    '--farebox-well': '#0b100f',
    '--farebox-good': '#6fd6bf',
    '--farebox-bad': '#ff9b91',
    '--farebox-waiting': '#ffc94d',
    '--mantine-color-fare-light': 'rgb(38 177 152 / 15%)',
    '--mantine-color-fare-light-hover': 'rgb(38 177 152 / 22%)',
    '--mantine-color-fare-light-color': '#8fe0cf',
    '--mantine-color-yellow-light': 'rgb(255 201 77 / 14%)',
    '--mantine-color-yellow-light-color': '#ffd166',
    '--mantine-color-red-light': 'rgb(255 120 110 / 15%)',
    '--mantine-color-red-light-hover': 'rgb(255 120 110 / 22%)',
    '--mantine-color-red-light-color': '#ffb4ab',
  },
});
