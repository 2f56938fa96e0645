// What modules for browsers look at when they are loaded, for tests that run without one.
import { vi } from 'vitest';

vi.stubGlobal('window', { location: { origin: 'https://farebox.example', hash: '' } });
vi.stubGlobal('localStorage', { getItem: () => null });
