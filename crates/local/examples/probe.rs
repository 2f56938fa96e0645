//! Temporary.
use farebox_local::engine::*;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;
fn main() {
    let w = if std::env::args().nth(1).as_deref() == Some("f32") {
        WeightFormat::F32
    } else {
        WeightFormat::Packed
    };
    let t = Instant::now();
    let e = Engine::load(
        Path::new("models/SmolLM2-135M-Instruct.Q4_1.gguf"),
        EngineOptions {
            weights: w,
            context_tokens: 2048,
        },
    )
    .unwrap();
    println!("load {:?} {}", t.elapsed(), rss());
    let mut s = e.session().unwrap();
    for q in [
        "What is the capital of France?",
        "Hello World",
        "Say hello world",
        "What is 2+2?",
        "Name three primary colours.",
        "Who wrote Hamlet?",
        "What is the capital of Germany?",
        "What color is the sky?",
    ] {
        let p = e
            .chat_prompt(&[Message {
                role: "user".into(),
                content: q.into(),
            }])
            .unwrap();
        let l = e.logits(&mut s, &p, NonZero::<usize>::MAX).unwrap();
        let mut ix: Vec<usize> = (0..l.len()).collect();
        ix.sort_by(|a, b| l[*b].total_cmp(&l[*a]));
        print!(
            "{:?} ",
            ix[..4].iter().map(|i| (*i, l[*i])).collect::<Vec<_>>()
        );
        let g = Generation {
            prompt: p,
            choices: 1,
            max_tokens: 24,
            stop: vec![],
            sampling: Sampling {
                temperature: 0.0,
                top_p: 1.0,
                frequency_penalty: 0.0,
                presence_penalty: 0.0,
                logit_bias: vec![],
                seed: 0,
            },
        };
        let mut a = String::new();
        e.generate(&mut s, &g, &mut |ev| {
            if let Event::Text { text, .. } = ev {
                a += &text;
            }
            ControlFlow::Continue(())
        })
        .unwrap();
        println!("{q} => {a:?}");
    }
    let dump = std::env::var("DUMP").unwrap_or_default();
    let mut all = Vec::new();
    for q in [
        "What is the capital of France?",
        "Hello World",
        "Tell me a joke about a cat.",
        "What is 2+2?",
        "Name three primary colours.",
        "Who wrote Hamlet?",
        "Write a poem",
        "What color is the sky?",
    ] {
        let p = e
            .chat_prompt(&[Message {
                role: "user".into(),
                content: q.into(),
            }])
            .unwrap();
        all.extend(e.logits(&mut s, &p, NonZero::<usize>::MAX).unwrap());
    }
    if dump == "1" {
        std::fs::write(
            "/tmp/ref.bin",
            all.iter()
                .flat_map(|x| x.to_le_bytes())
                .collect::<Vec<u8>>(),
        )
        .unwrap();
    } else if let Ok(b) = std::fs::read("/tmp/ref.bin") {
        let r: Vec<f32> = b
            .chunks_exact(4)
            .map(|c| f32::from_le_bytes(c.try_into().unwrap()))
            .collect();
        let rms = (r
            .iter()
            .zip(&all)
            .map(|(a, b)| ((a - b) as f64).powi(2))
            .sum::<f64>()
            / r.len() as f64)
            .sqrt();
        println!("RMS logit error {rms:.4}");
    }
    // Speed.
    if std::env::var("NOSPEED").is_ok() { return; }
    let reps: usize = std::env::var("REPS").ok().and_then(|x|x.parse().ok()).unwrap_or(5);
    for n in [33usize, 256, 1024] {
        let p: Vec<u32> = (0..n as u32).map(|i| 100 + (i*37)%4000).collect();
        let mut v=vec![];
        for _ in 0..reps { let t=Instant::now();
        let l = e.logits(&mut s,&p,NonZero::new(256).unwrap()).unwrap(); std::hint::black_box(l);
        v.push(n as f64/t.elapsed().as_secs_f64()); }
        println!("prompt {n}: best {:.0} tok/s {:?}", v.iter().cloned().fold(0.0,f64::max), v.iter().map(|x| *x as i64).collect::<Vec<_>>());
    }
    for n in [33usize,1024] {
        let p: Vec<u32> = (0..n as u32).map(|i| 100 + (i*37)%4000).collect();
        let mut times=vec![];
        let g = Generation{prompt:p,choices:1,max_tokens:100,stop:vec![],sampling:Sampling{temperature:0.0,top_p:1.0,frequency_penalty:0.0,presence_penalty:0.0,logit_bias:vec![(0,-100.0),(2,-100.0)],seed:0}};
        e.generate(&mut s,&g,&mut |_| { times.push(Instant::now()); ControlFlow::Continue(()) }).unwrap();
        let mut d: Vec<f64> = times.windows(2).skip(n.div_ceil(256)+1).map(|w| (w[1]-w[0]).as_secs_f64()*1e3).collect(); d.sort_by(f64::total_cmp);
        println!("decode after {n}: per token ms p10 {:.1} p50 {:.1} p90 {:.1} => {:.1} tok/s at p10", d[d.len()/10], d[d.len()/2], d[d.len()*9/10], 1e3/d[d.len()/10]);
    }
    println!("end {}", rss());
}
fn rss() -> String {
    std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .lines()
        .filter(|l| l.starts_with("VmRSS") || l.starts_with("VmHWM"))
        .collect::<Vec<_>>()
        .join(" ")
}
