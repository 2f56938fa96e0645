import { Anchor, Text, Title } from '@mantine/core';
import classes from './App.module.css';
import { Endpoints } from './Endpoints';
import { Logo } from './Logo';
import { Reference } from './Reference';
import { Start } from './start/Start';
import { StatusBadge } from './status/StatusBadge';
import { StatusCard } from './status/StatusCard';
import { useServerState } from './status/useServerState';

export function App() {
  const server = useServerState();
  return (
    <>
      <Anchor href="#content" className={classes.skip}>
        Skip to content
      </Anchor>
      <header className={classes.bar}>
        <div className={classes.brand}>
          <Logo />
          <span>Farebox</span>
        </div>
        <StatusBadge server={server} />
      </header>
      <main id="content" className={classes.page}>
        <section className={classes.hero}>
          <Title order={1} className={classes.headline}>
            Your own AI API platform
          </Title>
          <Text className={classes.lead}>
            Farebox stands in front of the models you run or rent. It hands every developer a key,
            holds every project to its budget, and bills every request exactly. It speaks
            OpenAI&rsquo;s API: existing programs need a new base URL and nothing else.
          </Text>
        </section>
        <div className={classes.columns}>
          <div className={classes.column}>
            <Start />
          </div>
          <div className={classes.column}>
            <StatusCard server={server} />
            <Endpoints />
            <Reference />
          </div>
        </div>
      </main>
      <footer className={classes.footer}>
        <Text size="sm" c="dimmed">
          Projects, keys, usage and costs are managed through the Administration API. Their pages
          in this console are being built.
        </Text>
      </footer>
    </>
  );
}
