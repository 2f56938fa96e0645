import { Anchor, Button, Group, Text, Title } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { Start } from '../start/Start';
import { StatusBadge } from '../status/StatusBadge';
import { StatusCard } from '../status/StatusCard';
import { useServerState } from '../status/useServerState';
import { Logo } from '../ui/Logo';
import { Endpoints } from './Endpoints';
import { Reference } from './Reference';
import classes from './Welcome.module.css';

/** What this installation is, for those who are not signed in. */
export default function Welcome() {
  const server = useServerState();
  return (
    <>
      <title>Farebox</title>
      <Anchor href="#content" className={classes.skip}>
        Skip to content
      </Anchor>
      <header className={classes.bar}>
        <div className={classes.brand}>
          <Logo />
          <span>Farebox</span>
        </div>
        <Group gap="sm">
          <StatusBadge server={server} />
          <Button component={Link} to="/sign-in" size="sm">
            Sign in
          </Button>
        </Group>
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
          <Group mt="lg">
            <Button component={Link} to="/sign-up" size="md">
              Create an account
            </Button>
            <Button component={Link} to="/sign-in" size="md" variant="default">
              Sign in
            </Button>
          </Group>
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
    </>
  );
}
